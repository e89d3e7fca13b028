import { createECDH, type ECDH } from "node:crypto";
import { concat } from "../../bytes/bytes.ts";
import type { Curve } from "./curves.ts";
import { fromInteger, modInverse, modPow, toInteger } from "./integers.ts";

/**
 * The product of a scalar k and a point P with both coordinates, out of OpenSSL, which tells only X of it: Y is a square
 * root, and of the two the one is right with which adding P gives X of (k+1)·P.
 * @param open an OpenSSL agreement on the curve
 * @returns uncompressed; `null` where this way is not open (p = 1 modulo 4) and another has to be taken
 * @throws Error when the point is not on the curve
 */
export function opensslMultiply(
  curve: Curve,
  open: () => ECDH,
  scalar: Uint8Array,
  point: Uint8Array,
): Uint8Array | null {
  const [p, a, b] = [toInteger(curve.p), toInteger(curve.a), toInteger(curve.b)];
  if (p % 4n !== 3n) return null;
  const times = (factor: bigint): bigint => {
    const ecdh = open();
    ecdh.setPrivateKey(fromInteger(factor, curve.orderBytes));
    return toInteger(new Uint8Array(ecdh.computeSecret(point)));
  };
  const k = toInteger(scalar);
  const x = times(k);
  const [px, py] = [1, 1 + curve.fieldBytes].map((at) => toInteger(point.subarray(at, at + curve.fieldBytes)));
  // The point itself or its opposite: there is no sum of the two to compare, noble knows.
  if (px === undefined || py === undefined || x === px) return null;
  const root = modPow((x * x * x + a * x + b) % p, (p + 1n) / 4n, p);
  const next = times(k + 1n);
  const inverse = modInverse(x - px, p);
  if (inverse === null) return null;
  for (const y of [root, p - root]) {
    const slope = ((y - py) * inverse) % p;
    const sum = (((slope * slope - x - px) % p) + p) % p;
    if (sum === next) {
      const [left, right] = [fromInteger(x, curve.fieldBytes), fromInteger(y, curve.fieldBytes)];
      return concat(Uint8Array.of(0x04), left, right);
    }
  }
  return null;
}

/** What OpenSSL calls a curve where its name differs from OpenSC's. */
const opensslNames = new Map([
  ["secp192r1", "prime192v1"],
  ["secp256r1", "prime256v1"],
]);

/** @throws Error where this OpenSSL does not have the curve */
export function opensslAgreement(curve: Curve): ECDH {
  return createECDH(opensslNames.get(curve.name) ?? curve.name);
}
