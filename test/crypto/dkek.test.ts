import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { fromHex, toHex } from "../../src/bytes/hex.ts";
import {
  checkKeyCheckValue,
  combineShares,
  deriveDkekKeys,
  keyCheckValue,
  xorShares,
  zeroKeyCheckValue,
} from "../../src/crypto/shares/dkek.ts";
import { refusal } from "./refusal.ts";
import { vectors } from "./vectors.ts";

interface Case {
  readonly name: string;
  readonly dkek: string;
  readonly kcv: string;
  readonly kenc: string;
  readonly kmac: string;
}
const { cases, xor } = vectors("dkek") as unknown as { cases: Case[]; xor: (Case & { shares: string[] })[] };

test.each(cases)("vector: $name", ({ dkek, kcv, kenc, kmac }) => {
  const keys = deriveDkekKeys(fromHex(dkek));
  expect([keys.kcv, keys.encryption, keys.mac].map((part) => toHex(part))).toEqual([kcv, kenc, kmac]);
});

test.each(xor)("vector: $shares.length shares", ({ shares, dkek, kcv }) => {
  const combined = combineShares(shares.map((share) => fromHex(share)));
  expect(toHex(combined)).toBe(dkek);
  expect(toHex(keyCheckValue(combined))).toBe(kcv);
});

const share = fc.uint8Array({ minLength: 32, maxLength: 32 });

test("order does not matter, and a share taken out again leaves the others", () => {
  fc.assert(
    fc.property(fc.uniqueArray(share, { minLength: 2, maxLength: 5, selector: (bytes) => toHex(bytes) }), (shares) => {
      expect(xorShares(shares.toReversed())).toEqual(xorShares(shares));
      expect(xorShares([xorShares(shares), shares[0] as Uint8Array])).toEqual(xorShares(shares.slice(1)));
    }),
  );
});

describe("refused", () => {
  const one = new Uint8Array(32).fill(1);
  const two = new Uint8Array(32).fill(2);
  const three = new Uint8Array(32).fill(3);

  test.each([
    ["the same share twice", [one, two, one.slice()], "DKEK_SHARE_TWICE", "conflict"],
    ["an all-zero share", [one, new Uint8Array(32)], "DKEK_SHARE_ZERO", "check-failed"],
    ["shares that cancel each other", [one, two, three], "DKEK_ZERO", "check-failed"],
    ["a short share", [one, two.subarray(1)], "DKEK_SHARE_INVALID", "check-failed"],
    ["no share", [], "DKEK_SHARE_INVALID", "check-failed"],
  ])("%s", (_, shares, code, kind) => {
    expect(refusal(() => combineShares(shares))).toMatchObject({ code, kind });
  });

  test("a KCV other than the expected, and that of zeros by its name", () => {
    const expected = keyCheckValue(one);
    expect(() => checkKeyCheckValue(expected.slice(), expected)).not.toThrow();
    expect(refusal(() => checkKeyCheckValue(keyCheckValue(two), expected, "T1"))).toMatchObject({
      code: "KCV_UNEXPECTED",
      token: "T1",
    });
    expect(toHex(keyCheckValue(new Uint8Array(32)))).toBe(zeroKeyCheckValue);
    expect(refusal(() => checkKeyCheckValue(fromHex(zeroKeyCheckValue), expected)).code).toBe("DKEK_ZERO");
  });
});
