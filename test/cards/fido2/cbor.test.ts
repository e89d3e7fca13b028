import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { concat } from "../../../src/bytes/bytes.ts";
import { fromHex, toHex } from "../../../src/bytes/hex.ts";
import { parseAuthData } from "../../../src/cards/fido2/auth-data.ts";
import { authenticatorInfo } from "../../../src/cards/fido2/authenticator-info.ts";
import { type CborMap, cborMap, decodeCbor, decodeCborItem, encodeCbor } from "../../../src/cards/fido2/cbor.ts";
import { HsmError } from "../../../src/errors.ts";

const key = fc.oneof(fc.integer({ min: -70_000, max: 70_000 }), fc.string({ maxLength: 40 }));
const leaf = fc.oneof(
  fc.maxSafeInteger(),
  fc.string(),
  fc.boolean(),
  fc.uint8Array({ maxLength: 300 }),
  fc.constant(null),
);
const { value } = fc.letrec((tie) => ({
  value: fc.oneof(
    { depthSize: "small" },
    leaf,
    fc.array(tie("value"), { maxLength: 5 }),
    fc.array(fc.tuple(key, tie("value")), { maxLength: 8 }).map((entries) => new Map(entries)),
  ),
}));

/** The order as the specification words it: major type, then length, then bytes. */
function inOrder(a: Uint8Array, b: Uint8Array): boolean {
  const major = ((a[0] ?? 0) >> 5) - ((b[0] ?? 0) >> 5);
  if (major !== 0) return major < 0;
  if (a.length !== b.length) return a.length < b.length;
  return toHex(a) < toHex(b);
}

describe("CBOR", () => {
  test("what is encoded decodes to the same, and encodes to the same again", () => {
    fc.assert(
      fc.property(value, (item) => {
        const bytes = encodeCbor(item as never);
        const again = decodeCbor(bytes, "test");
        expect(toHex(encodeCbor(again))).toBe(toHex(bytes));
        expect(again).toEqual(item);
      }),
    );
  });

  test("keys are in the order of CTAP2", () => {
    fc.assert(
      fc.property(fc.uniqueArray(key, { minLength: 2, maxLength: 12 }), (keys) => {
        let rest = encodeCbor(new Map(keys.map((each) => [each, 0]))).subarray(1);
        const encoded: Uint8Array[] = [];
        while (rest.length > 0) {
          const [, behindKey] = decodeCborItem(rest, "key");
          encoded.push(rest.subarray(0, rest.length - behindKey.length));
          [, rest] = decodeCborItem(behindKey, "value");
        }
        encoded.slice(1).forEach((each, i) => {
          expect(inOrder(encoded[i] as Uint8Array, each)).toBe(true);
        });
      }),
    );
    const mixed = cborMap([-1, 0], [24, 0], ["hmac-secret", 0], ["credProtect", 0], [1, 0]);
    expect(toHex(encodeCbor(mixed))).toMatch(/^A5010018180020006B6372.*006B686D61/);
  });

  test("entries that are not there are left out", () => {
    expect([...cborMap([1, undefined], [2, 0]).keys()]).toEqual([2]);
  });

  test("any bytes are decoded or refused, at once and in our own words", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        for (const read of [
          () => decodeCbor(bytes, "test"),
          () => parseAuthData(bytes),
          () => authenticatorInfo(decodeCbor(bytes, "i") as CborMap),
        ]) {
          try {
            read();
          } catch (error) {
            expect(error).toBeInstanceOf(HsmError);
          }
        }
      }),
      { numRuns: 500 },
    );
  });

  test.each([
    ["9AFFFFFFFF", "a list of four thousand million"],
    ["BBFFFFFFFFFFFFFFFF", "a map without end"],
    ["5AFFFFFFFF00", "bytes that are not there"],
    ["A201000100", "the same key twice"],
    ["A16161000000", "bytes left over"],
    ["C11A00000000", "a tag"],
    ["9F00FF", "no length"],
    ["F7", "undefined"],
    ["", "nothing"],
  ])("%s: %s is refused", (hex) => {
    expect(() => decodeCbor(fromHex(hex), "test")).toThrow(expect.objectContaining({ code: "CTAP_ANSWER_INVALID" }));
  });

  test("nesting without end is refused, not followed", () => {
    for (const each of ["81", "A100", "C1"]) {
      const deep = fromHex(each.repeat(60_000 / each.length));
      expect(() => decodeCbor(deep, "test")).toThrow(expect.objectContaining({ code: "CTAP_ANSWER_INVALID" }));
    }
    expect(() => decodeCbor(fromHex(`${"81".repeat(16)}00`), "test")).not.toThrow();
    expect(() => decodeCbor(fromHex(`${"81".repeat(17)}00`), "test")).toThrow(/nested/);
    expect(decodeCbor(fromHex(`8A${"8100".repeat(10)}`), "test")).toHaveLength(10);
  });
});

describe("authenticator data", () => {
  const head = concat(new Uint8Array(32), Uint8Array.of(0x01), new Uint8Array(4));

  test("flags say what follows", () => {
    expect(parseAuthData(head)).toMatchObject({ userPresent: true, userVerified: false, credential: undefined });
    expect(() => parseAuthData(concat(head, Uint8Array.of(0xa0)))).toThrow(/left over/);
    const withExtensions = Uint8Array.from(head);
    withExtensions[32] = 0x80;
    expect(() => parseAuthData(withExtensions)).toThrow(HsmError);
    expect(() => parseAuthData(concat(withExtensions, Uint8Array.of(0x80)))).toThrow(/no map/);
  });

  test("a credential id longer than the data is refused", () => {
    const attested = Uint8Array.from(head);
    attested[32] = 0x40;
    const bytes = concat(attested, new Uint8Array(16), Uint8Array.of(0x04, 0x00), new Uint8Array(10));
    expect(() => parseAuthData(bytes)).toThrow(expect.objectContaining({ code: "DATA_TRUNCATED" }));
  });
});
