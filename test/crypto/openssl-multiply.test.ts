import { getCurves } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { toHex } from "../../src/bytes/hex.ts";
import { type Curve, curveByName, curveNames } from "../../src/crypto/curves/curves.ts";
import { multiplyPoint, publicPointOf } from "../../src/crypto/curves/ec-keys.ts";
import { nobleMultiply } from "../../src/crypto/curves/ecdsa-noble.ts";
import { fromInteger, toInteger } from "../../src/crypto/curves/integers.ts";
import { opensslAgreement, opensslMultiply } from "../../src/crypto/curves/openssl-multiply.ts";

function curveNamed(name: string): Curve {
  const curve = curveByName(name);
  if (curve === undefined) throw new Error(name);
  return curve;
}

const scalarOf = (curve: Curve, number: bigint) =>
  fromInteger(1n + (number % (toInteger(curve.n) - 1n)), curve.orderBytes);
const viaOpenssl = (curve: Curve, scalar: Uint8Array, point: Uint8Array) =>
  opensslMultiply(curve, () => opensslAgreement(curve), scalar, point);

describe.each(curveNames.map((name) => [name] as const))("products on %s", (name) => {
  const curve = curveNamed(name);

  test("have both coordinates that noble finds", () => {
    const number = fc.bigInt({ min: 0n, max: (1n << 600n) - 1n });
    const check = fc.property(number, number, (own, other) => {
      const [scalar, point] = [scalarOf(curve, own), publicPointOf(curve, scalarOf(curve, other))];
      expect(toHex(multiplyPoint(curve, scalar, point))).toBe(toHex(nobleMultiply(curve, scalar, point)));
    });
    fc.assert(check, { numRuns: 5 });
  });

  test("of the first and the last scalars", () => {
    const last = toInteger(curve.n) - 1n;
    const point = publicPointOf(curve, scalarOf(curve, 41n));
    for (const number of [1n, 2n, last - 1n, last]) {
      const scalar = fromInteger(number, curve.orderBytes);
      expect(toHex(multiplyPoint(curve, scalar, point))).toBe(toHex(nobleMultiply(curve, scalar, point)));
    }
  });

  test("are none for a point off the curve", () => {
    const point = publicPointOf(curve, scalarOf(curve, 7n));
    const off = point.with(point.length - 1, (point.at(-1) ?? 0) ^ 1);
    expect(() => multiplyPoint(curve, scalarOf(curve, 9n), off)).toThrow("not a public key");
  });
});

test("P-256 needs no noble", () => {
  expect(getCurves()).toContain("prime256v1");
  const curve = curveNamed("secp256r1");
  const point = publicPointOf(curve, scalarOf(curve, 7n));
  expect(viaOpenssl(curve, scalarOf(curve, 9n), point)).toHaveLength(65);
});
