import fc from "fast-check";
import { expect, test } from "vitest";
import { fromHex, toHex } from "../../src/bytes/hex.ts";
import { encodeTlv, findTlv, readTlv, readTlvs, requireTlv, tagName } from "../../src/bytes/tlv.ts";
import { HsmError } from "../../src/errors.ts";

const tag = fc.constantFrom(0x04, 0x30, 0x42, 0x5f20, 0x5f37, 0x7f21, 0x7f49, 0x85, 0xa5, 0x7f8101);

test("what is encoded is read back, whatever the length form", () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(tag, fc.uint8Array({ maxLength: 700 })), { maxLength: 5 }), (objects) => {
      const bytes = fromHex(objects.map(([name, value]) => toHex(encodeTlv(name, value))).join(""));
      const read = readTlvs(bytes, "test");
      expect(read.map((object) => [object.tag, toHex(object.value)])).toEqual(
        objects.map(([name, value]) => [name, toHex(value)]),
      );
    }),
  );
});

test("length forms are minimal at their borders", () => {
  const header = (length: number) => toHex(encodeTlv(0x53, new Uint8Array(length)).subarray(0, 5));
  expect(header(0x7f).slice(0, 4)).toBe("537F");
  expect(header(0x80).slice(0, 6)).toBe("538180");
  expect(header(0x100).slice(0, 8)).toBe("53820100");
  expect(header(0x10000)).toBe("5383010000");
});

test("any bytes are read or refused, never a crash", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
      try {
        const length = readTlvs(bytes, "fuzz").reduce((sum, object) => sum + object.raw.length, 0);
        expect(length).toBe(bytes.length);
      } catch (error) {
        expect(error).toBeInstanceOf(HsmError);
        expect((error as HsmError).code).toBe("TLV_INVALID");
      }
    }),
  );
});

test.each([
  ["", "ends inside a tag"],
  ["5F", "ends inside a tag"],
  ["85", "ends inside a length"],
  ["8502", "says 2 bytes, 0 are there"],
  ["858101", "says 1 bytes, 0 are there"],
  ["8580", "length form 80"],
  ["8584", "length form 84"],
  ["7F8181818101", "tag longer than 3 bytes"],
])("%s is refused", (hex, problem) => {
  expect(() => readTlv(fromHex(hex), "template")).toThrow(problem);
});

test("objects are found by tag, a missing one is named", () => {
  const objects = readTlvs(fromHex("82017885020102"), "FCI");
  expect(toHex(requireTlv(objects, 0x85, "FCI"))).toBe("0102");
  expect(findTlv(objects, 0x84)).toBeUndefined();
  expect(() => requireTlv(objects, 0x84, "FCI")).toThrow("FCI: tag 84 is missing");
  expect(tagName(0x5f20)).toBe("5F20");
});
