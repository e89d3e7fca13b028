import fc from "fast-check";
import { expect, test } from "vitest";
import { fromHex, hexNumber, toHex } from "../../src/bytes/hex.ts";

test("bytes to hex and back", () => {
  fc.assert(
    fc.property(fc.uint8Array(), fc.constantFrom("", " "), (bytes, separator) => {
      expect(fromHex(toHex(bytes, separator))).toEqual(bytes);
      expect(fromHex(toHex(bytes).toLowerCase())).toEqual(bytes);
    }),
  );
});

test("hex is upper case, numbers are padded", () => {
  expect(toHex(Uint8Array.of(0x0a, 0xff), " ")).toBe("0A FF");
  expect(hexNumber(0x6a82, 4)).toBe("6A82");
  expect(hexNumber(0x90, 4)).toBe("0090");
});

test("half bytes and other characters are refused without repeating the text", () => {
  expect(() => fromHex("123", "SO-PIN")).toThrow("SO-PIN: 3 hex digits do not make whole bytes");
  expect(() => fromHex("1234secret", "SO-PIN")).toThrow("SO-PIN: only the digits 0-9 and A-F are hex");
  expect(() => fromHex("zz")).not.toThrow("zz");
});
