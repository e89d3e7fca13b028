import { createHash } from "node:crypto";
import { createRequire } from "node:module";
import { toHex } from "../../bytes/hex.ts";
import type { Curve } from "./curves.ts";
import type { EcdsaHash } from "./ecdsa.ts";

/**
 * The second implementation of ECDSA. Loaded when first needed and not before: it costs a cold start some 20 ms, and
 * where OpenSSL knows the curve nothing needs it. `require` of an ES module is synchronous in every Node we support
 * (20.19 and later), so that verifying a certificate need not be asynchronous.
 */
type Weierstrass = typeof import("@noble/curves/abstract/weierstrass.js");
type Sha2 = typeof import("@noble/hashes/sha2.js");
type Ecdsa = ReturnType<Weierstrass["ecdsa"]>;
type Point = Parameters<Weierstrass["ecdsa"]>[0];

const load = createRequire(import.meta.url);
const loaded = new Map<string, { point: Point; ecdsa: Ecdsa }>();

function implementationOf(curve: Curve): { point: Point; ecdsa: Ecdsa } {
  const known = loaded.get(curve.name);
  if (known !== undefined) return known;
  const { weierstrass, ecdsa } = load("@noble/curves/abstract/weierstrass.js") as Weierstrass;
  const { sha256 } = load("@noble/hashes/sha2.js") as Sha2;
  const point = weierstrass({
    p: bigint(curve.p),
    a: bigint(curve.a),
    b: bigint(curve.b),
    n: bigint(curve.n),
    h: 1n,
    Gx: bigint(curve.g.subarray(1, 1 + curve.fieldBytes)),
    Gy: bigint(curve.g.subarray(1 + curve.fieldBytes)),
  });
  const implementation = { point, ecdsa: ecdsa(point, sha256) };
  loaded.set(curve.name, implementation);
  return implementation;
}

const digestGiven = { prehash: false, lowS: false } as const;

export function nobleVerify(
  curve: Curve,
  point: Uint8Array,
  message: Uint8Array,
  hash: EcdsaHash,
  plain: Uint8Array,
): boolean {
  try {
    return implementationOf(curve).ecdsa.verify(plain, digest(message, hash), point, digestGiven);
  } catch {
    return false; // A point off the curve, or r or s out of range.
  }
}

export function nobleSign(curve: Curve, scalar: Uint8Array, message: Uint8Array, hash: EcdsaHash): Uint8Array {
  return implementationOf(curve).ecdsa.sign(digest(message, hash), scalar, digestGiven);
}

export function noblePublicPoint(curve: Curve, scalar: Uint8Array): Uint8Array {
  return implementationOf(curve).point.BASE.multiply(bigint(scalar)).toBytes(false);
}

/** @throws Error when the point is not on the curve, or the product is no point */
export function nobleMultiply(curve: Curve, scalar: Uint8Array, point: Uint8Array): Uint8Array {
  return implementationOf(curve).point.fromBytes(point).multiply(bigint(scalar)).toBytes(false);
}

function digest(message: Uint8Array, hash: EcdsaHash): Uint8Array {
  return hash === "none" ? message : new Uint8Array(createHash(hash).update(message).digest());
}

function bigint(bytes: Uint8Array): bigint {
  return BigInt(`0x${toHex(bytes)}`);
}
