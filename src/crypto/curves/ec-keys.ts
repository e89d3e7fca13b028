import { createECDH } from "node:crypto";
import { concat } from "../../bytes/bytes.ts";
import { toHex } from "../../bytes/hex.ts";
import { HsmError } from "../../errors.ts";
import type { Curve } from "./curves.ts";
import { nobleMultiply, noblePublicPoint } from "./ecdsa-noble.ts";

/** What OpenSSL calls a curve where its name differs from OpenSC's. */
const opensslNames = new Map([
  ["secp192r1", "prime192v1"],
  ["secp256r1", "prime256v1"],
]);

/**
 * The uncompressed public point of a private scalar (`orderBytes` long, 1 to n-1).
 * @throws HsmError `SCALAR_INVALID` when the scalar is no private key of this curve
 */
export function publicPointOf(curve: Curve, scalar: Uint8Array): Uint8Array {
  const value = BigInt(`0x${toHex(scalar) || "0"}`);
  if (scalar.length !== curve.orderBytes || value === 0n || value >= BigInt(`0x${toHex(curve.n)}`)) {
    throw new HsmError("SCALAR_INVALID", "unexpected", `not a private key of ${curve.name}`);
  }
  let ecdh: ReturnType<typeof createECDH>;
  try {
    ecdh = createECDH(opensslNames.get(curve.name) ?? curve.name);
  } catch {
    return noblePublicPoint(curve, scalar); // This OpenSSL does not have the curve.
  }
  ecdh.setPrivateKey(scalar);
  return new Uint8Array(ecdh.getPublicKey());
}

/**
 * The product of a private scalar and somebody's public point, uncompressed: the secret of ECDH is its X.
 * Both coordinates are wanted, which OpenSSL does not tell.
 * @throws HsmError `POINT_INVALID` when the point is none of this curve
 */
export function multiplyPoint(curve: Curve, scalar: Uint8Array, point: Uint8Array): Uint8Array {
  try {
    return nobleMultiply(curve, scalar, point);
  } catch (cause) {
    throw new HsmError("POINT_INVALID", "check-failed", `not a public key on ${curve.name}`, { cause });
  }
}

/**
 * A private scalar made of the given randomness (FIPS 186-5 appendix A.2.1: 8 bytes more than the order, reduced).
 * @param random bytes, `length` of them at each call
 */
export function privateScalar(curve: Curve, random: (length: number) => Uint8Array): Uint8Array {
  const order = BigInt(`0x${toHex(curve.n)}`);
  const wide = BigInt(`0x${toHex(concat(Uint8Array.of(0), random(curve.orderBytes + 8)))}`);
  const scalar = (wide % (order - 1n)) + 1n;
  const bytes = new Uint8Array(curve.orderBytes);
  let rest = scalar;
  for (let i = bytes.length - 1; i >= 0; i--) {
    bytes[i] = Number(rest & 0xffn);
    rest >>= 8n;
  }
  return bytes;
}
