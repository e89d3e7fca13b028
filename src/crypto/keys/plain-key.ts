import { equal } from "../../bytes/bytes.ts";
import { HsmError } from "../../errors.ts";
import { type Curve, curveByName } from "../curves/curves.ts";
import { publicPointOf } from "../curves/ec-keys.ts";
import {
  bitLength,
  fromInteger,
  greatestCommonDivisor,
  modInverse,
  modPow,
  stripped,
  toInteger,
} from "../curves/integers.ts";

/**
 * A private or secret key in the clear, between a file and its wrapping: on the host for that moment only.
 * All integers unsigned big endian without leading zeros, except where a length is named.
 */
export type PlainKey = PlainRsaKey | PlainEcKey | PlainAesKey;

export interface PlainRsaKey {
  readonly kind: "rsa";
  readonly modulus: Uint8Array;
  readonly exponent: Uint8Array;
  readonly privateExponent: Uint8Array;
  /** Absent where only `n`, `e` and `d` are known (blob type 05, a JWK without factors). */
  readonly factors: RsaFactors | undefined;
}

export interface RsaFactors {
  readonly p: Uint8Array;
  readonly q: Uint8Array;
  readonly dP: Uint8Array;
  readonly dQ: Uint8Array;
  /** q^-1 mod p. */
  readonly qInv: Uint8Array;
}

export interface PlainEcKey {
  readonly kind: "ec";
  /** Name from `curves.ts`. */
  readonly curve: string;
  /** As long as the order. */
  readonly scalar: Uint8Array;
  /** Uncompressed. */
  readonly point: Uint8Array;
}

export interface PlainAesKey {
  readonly kind: "aes";
  /** 16, 24 or 32 bytes. */
  readonly value: Uint8Array;
}

/** `RSA-2048`, `EC secp256r1`, `AES-256`: for people, and free of secrets. */
export function describeKey(key: PlainKey): string {
  if (key.kind === "rsa") return `RSA-${bitLength(key.modulus)}`;
  return key.kind === "ec" ? `EC ${key.curve}` : `AES-${8 * key.value.length}`;
}

/** Wipes what JavaScript lets us wipe; copies that the engine made are out of reach (SECURITY.md). */
export function wipeKey(key: PlainKey): void {
  const secrets =
    key.kind === "aes"
      ? [key.value]
      : key.kind === "ec"
        ? [key.scalar]
        : [key.privateExponent, ...(key.factors === undefined ? [] : Object.values<Uint8Array>({ ...key.factors }))];
  for (const secret of secrets) secret.fill(0);
}

/**
 * Whether the public half belongs to the private one.
 * EC: the point is computed. RSA: what the public exponent does, the private one undoes; with factors, also that they
 * multiply to the modulus and that each exponent is the inverse. AES keys have no public half: `null`.
 */
export function publicBelongsToPrivate(key: PlainKey): boolean | null {
  if (key.kind === "aes") return null;
  if (key.kind === "rsa") return rsaHalvesBelong(key);
  const curve = curveByName(key.curve);
  if (curve === undefined) return false;
  const point = pointOf(curve, key.scalar);
  return point !== null && equal(point, key.point);
}

function pointOf(curve: Curve, scalar: Uint8Array): Uint8Array | null {
  try {
    return publicPointOf(curve, scalar);
  } catch (error) {
    if (error instanceof HsmError) return null; // Zero, or not below the order.
    throw error;
  }
}

function rsaHalvesBelong(key: PlainRsaKey): boolean {
  const [n, e, d] = [key.modulus, key.exponent, key.privateExponent].map(toInteger) as [bigint, bigint, bigint];
  if (n < 15n || (n & 1n) === 0n || e < 3n || (e & 1n) === 0n || d < 3n || d >= n) return false;
  if (modPow(modPow(2n, e, n), d, n) !== 2n) return false;
  if (key.factors === undefined) return true;
  const { p, q, dP, dQ, qInv } = key.factors;
  const [P, Q] = [toInteger(p), toInteger(q)];
  if (P < 3n || Q < 3n || P * Q !== n) return false;
  return (
    (toInteger(dP) * e) % (P - 1n) === 1n && (toInteger(dQ) * e) % (Q - 1n) === 1n && (toInteger(qInv) * Q) % P === 1n
  );
}

/**
 * A whole RSA key from its factors, as blob type 06 and PKCS#1 bring it.
 * @throws HsmError `KEY_INCONSISTENT` (check-failed) when the exponent has no inverse
 */
export function rsaFromFactors(p: Uint8Array, q: Uint8Array, exponent: Uint8Array): PlainRsaKey {
  const [P, Q, e] = [toInteger(p), toInteger(q), toInteger(exponent)];
  if (P < 3n || Q < 3n || P === Q) throw inconsistent("its factors are no two primes");
  const lambda = ((P - 1n) * (Q - 1n)) / greatestCommonDivisor(P - 1n, Q - 1n);
  const d = modInverse(e, lambda);
  const qInv = modInverse(Q, P);
  if (d === null || qInv === null) throw inconsistent("its public exponent does not fit its factors");
  const bytes = (value: bigint): Uint8Array => stripped(fromInteger(value, p.length + q.length + 1)).slice();
  return {
    kind: "rsa",
    modulus: bytes(P * Q),
    exponent: stripped(exponent).slice(),
    privateExponent: bytes(d),
    factors: {
      p: stripped(p).slice(),
      q: stripped(q).slice(),
      dP: bytes(d % (P - 1n)),
      dQ: bytes(d % (Q - 1n)),
      qInv: bytes(qInv),
    },
  };
}

function inconsistent(problem: string): HsmError {
  return new HsmError("KEY_INCONSISTENT", "check-failed", `the RSA key does not hang together: ${problem}`);
}
