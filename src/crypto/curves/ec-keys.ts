import type { ECDH } from "node:crypto";
import { concat } from "../../bytes/bytes.ts";
import { toHex } from "../../bytes/hex.ts";
import { HsmError } from "../../errors.ts";
import type { Curve } from "./curves.ts";
import { nobleMultiply, noblePublicPoint } from "./ecdsa-noble.ts";
import { opensslAgreement, opensslMultiply } from "./openssl-multiply.ts";

/**
 * The uncompressed public point of a private scalar (`orderBytes` long, 1 to n-1).
 * @throws HsmError `SCALAR_INVALID` when the scalar is no private key of this curve
 */
export function publicPointOf(curve: Curve, scalar: Uint8Array): Uint8Array {
  const value = BigInt(`0x${toHex(scalar) || "0"}`);
  if (scalar.length !== curve.orderBytes || value === 0n || value >= BigInt(`0x${toHex(curve.n)}`)) {
    throw new HsmError("SCALAR_INVALID", "unexpected", `not a private key of ${curve.name}`);
  }
  let ecdh: ECDH;
  try {
    ecdh = opensslAgreement(curve);
  } catch {
    return noblePublicPoint(curve, scalar); // This OpenSSL does not have the curve.
  }
  ecdh.setPrivateKey(scalar);
  return new Uint8Array(ecdh.getPublicKey());
}

/**
 * The product of a private scalar and somebody's public point, uncompressed: the secret of ECDH is its X.
 * OpenSSL first, for noble takes longer to load than the product to make.
 * @throws HsmError `POINT_INVALID` when the point is none of this curve
 */
export function multiplyPoint(curve: Curve, scalar: Uint8Array, point: Uint8Array): Uint8Array {
  try {
    return fromOpenssl(curve, scalar, point) ?? nobleMultiply(curve, scalar, point);
  } catch (cause) {
    throw new HsmError("POINT_INVALID", "check-failed", `not a public key on ${curve.name}`, { cause });
  }
}

/** `null` where OpenSSL lacks the curve, or refuses the point: then noble has the last word. */
function fromOpenssl(curve: Curve, scalar: Uint8Array, point: Uint8Array): Uint8Array | null {
  try {
    return opensslMultiply(curve, () => opensslAgreement(curve), scalar, point);
  } catch {
    return null;
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
