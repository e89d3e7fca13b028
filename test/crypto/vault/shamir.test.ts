import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { toHex } from "../../../src/bytes/hex.ts";
import { joinShares, splitSecret } from "../../../src/crypto/vault/shamir.ts";
import { flipped, refusal } from "../refusal.ts";
import { repeatable } from "./support/software-keys.ts";

/** The field and the interpolation done slowly and otherwise: products by schoolbook polynomials, inverses by search. */
const slow = {
  multiply(a: number, b: number): number {
    let product = 0;
    for (let i = 0; i < 8; i++) for (let j = 0; j < 8; j++) if ((a >> i) & (b >> j) & 1) product ^= 1 << (i + j);
    for (let bit = 14; bit >= 8; bit--) if ((product >> bit) & 1) product ^= 0x11b << (bit - 8);
    return product;
  },
  divide(a: number, b: number): number {
    for (let quotient = 0; quotient < 256; quotient++) if (slow.multiply(quotient, b) === a) return quotient;
    throw new Error("division by zero");
  },
  join(shares: readonly Uint8Array[]): Uint8Array {
    const length = (shares[0]?.length ?? 0) - 1;
    return Uint8Array.from({ length }, (_, at) =>
      shares.reduce((sum, share) => {
        const x = share[length] ?? 0;
        let term = share[at] ?? 0;
        for (const other of shares) {
          if (other === share) continue;
          const xj = other[length] ?? 0;
          term = slow.divide(slow.multiply(term, xj), xj ^ x);
        }
        return sum ^ term;
      }, 0),
    );
  },
};

const splitting = fc
  .record({
    secret: fc.uint8Array({ minLength: 1, maxLength: 40 }),
    n: fc.integer({ min: 2, max: 16 }),
    k: fc.nat(),
    seed: fc.string(),
  })
  .map(({ secret, n, k, seed }) => {
    const needed = 2 + (k % (n - 1));
    return { secret, n, k: needed, shares: splitSecret(secret, needed, n, repeatable(seed)) };
  });

test("AES's worked example of the field: 57 times 83 is C1 (FIPS 197 section 4.2)", () => {
  expect(slow.multiply(0x57, 0x83)).toBe(0xc1);
});

test("the same bytes for ever", () => {
  const secret = Uint8Array.from({ length: 16 }, (_, i) => i);
  expect(splitSecret(secret, 3, 5, repeatable("golden")).map((share) => toHex(share))).toMatchInlineSnapshot(`
    [
      "5A430049F610636544D274429B27F72301",
      "786B0C71F7D0BFD6AC568484723FFC8402",
      "22290E3B05C5DAB4E08DFACDE51505A803",
      "ED403652C965B8EAAB52DE7AC7EA9D6304",
      "B70234183B70DD88E789A03350C0644F05",
    ]
  `);
});

describe("shares", () => {
  test("any k in any order give the secret, and the slow way agrees", () => {
    fc.assert(
      fc.property(
        splitting.chain((s) => fc.tuple(fc.constant(s), fc.shuffledSubarray(s.shares, { minLength: s.k }))),
        ([{ secret }, some]) => {
          expect(joinShares(some)).toEqual(secret);
          expect(slow.join(some)).toEqual(secret);
        },
      ),
    );
  });

  test("k - 1 fit every secret alike: a secret of one byte is any of 256 with one more share", () => {
    const shares = splitSecret(Uint8Array.of(0x42), 3, 3, repeatable("every secret"));
    const found = new Set(
      Array.from({ length: 256 }, (_, y) => joinShares([...shares.slice(0, 2), Uint8Array.of(y, 3)])[0]),
    );
    expect(found.size).toBe(256);
  });

  test("a damaged share gives another secret: nothing but authentication tells", () => {
    fc.assert(
      fc.property(splitting, fc.nat(), fc.nat(7), ({ secret, k, shares }, index, bit) => {
        const [first, ...others] = shares.slice(0, k) as [Uint8Array, ...Uint8Array[]];
        expect(joinShares([flipped(first, index % secret.length, bit), ...others])).not.toEqual(secret);
      }),
    );
  });

  test("the same point twice, point zero, different lengths, nothing", () => {
    const [a, b] = splitSecret(Uint8Array.of(1, 2), 2, 2) as [Uint8Array, Uint8Array];
    for (const wrong of [[a, a], [a, Uint8Array.of(1, 2, 0)], [a, b.subarray(1)], [], [new Uint8Array(1)]]) {
      expect(refusal(() => joinShares(wrong)).code).toBe("SHARES_INVALID");
    }
  });

  test.each([
    [1, 2],
    [0, 0],
    [3, 2],
    [2, 256],
    [2.5, 3],
    [Number.NaN, 3],
  ])("no threshold: %d of %d", (k, n) => {
    expect(refusal(() => splitSecret(new Uint8Array(4), k, n)).code).toBe("SHARES_INVALID");
  });
});
