import { createECDH } from "node:crypto";
import { toHex } from "../../bytes/hex.ts";
import { HsmError } from "../../errors.ts";
import { type Curve, curveByName } from "../curves/curves.ts";
import { multiplyPoint, privateScalar, publicPointOf } from "../curves/ec-keys.ts";
import { isVaultCurve } from "./curve-names.ts";

/** The curve of this name, or `undefined` when no vault key can be on it. */
export function vaultCurve(name: string): Curve | undefined {
  return isVaultCurve(name) ? curveByName(name) : undefined;
}

/**
 * Whether these bytes are an uncompressed point of the curve. All cofactors are 1, so every point but infinity, which this
 * form cannot write, has the curve's order. Checked before a foreign point is sent to a card: what a card makes of one that
 * is not on its curve can tell its key.
 */
export function isPointOf(curve: Curve, point: Uint8Array): boolean {
  if (point.length !== 1 + 2 * curve.fieldBytes || point[0] !== 4) return false;
  const [p, a, b] = [integer(curve.p), integer(curve.a), integer(curve.b)];
  const x = integer(point.subarray(1, 1 + curve.fieldBytes));
  const y = integer(point.subarray(1 + curve.fieldBytes));
  return x < p && y < p && (y * y - (x * x * x + a * x + b)) % p === 0n;
}

export interface Agreement {
  /** The ephemeral public point, uncompressed. */
  readonly enc: Uint8Array;
  /** X of the product, secret. */
  readonly x: Uint8Array;
}

/** A fresh key pair and what it agrees on with `publicPoint`, which is on the curve. */
export function ephemeralAgreement(
  curve: Curve,
  publicPoint: Uint8Array,
  random: (length: number) => Uint8Array,
): Agreement {
  const scalar = privateScalar(curve, random);
  try {
    return { enc: publicPointOf(curve, scalar), x: sharedX(curve, scalar, publicPoint) };
  } finally {
    scalar.fill(0);
  }
}

function sharedX(curve: Curve, scalar: Uint8Array, publicPoint: Uint8Array): Uint8Array {
  let ecdh: ReturnType<typeof createECDH>;
  try {
    ecdh = createECDH(curve.name === "secp256r1" ? "prime256v1" : curve.name);
  } catch {
    // This OpenSSL does not have the curve.
    return multiplyPoint(curve, scalar, publicPoint).slice(1, 1 + curve.fieldBytes);
  }
  ecdh.setPrivateKey(scalar);
  return new Uint8Array(ecdh.computeSecret(publicPoint));
}

/**
 * What a card answered to a key agreement, checked: as long as a coordinate, and not all zero.
 * @throws HsmError `AGREEMENT_INVALID` (check-failed)
 */
export function checkedX(curve: Curve, x: Uint8Array): Uint8Array {
  if (x.length === curve.fieldBytes && x.some((byte) => byte !== 0)) return x;
  throw new HsmError(
    "AGREEMENT_INVALID",
    "check-failed",
    `the key agreement on ${curve.name} gave ${x.length} bytes that are no X coordinate`,
  );
}

function integer(bytes: Uint8Array): bigint {
  return BigInt(`0x${toHex(bytes) || "0"}`);
}
