import { createPrivateKey, type KeyObject } from "node:crypto";
import { fromHex, toHex } from "../bytes/hex.ts";
import { fromBase64Url } from "./rsa.ts";

/** Numbers of a private RSA key, minimal big-endian. */
export interface RsaNumbers {
  readonly n: Uint8Array;
  readonly e: Uint8Array;
  readonly d: Uint8Array;
  readonly p: Uint8Array;
  readonly q: Uint8Array;
  readonly dp: Uint8Array;
  readonly dq: Uint8Array;
  /** q^-1 mod p */
  readonly qi: Uint8Array;
}

/** The largest modulus that cards hold, and a leading zero. */
const mostBytes = 513;

export function numbersOf(key: KeyObject): RsaNumbers {
  const jwk = key.export({ format: "jwk" });
  const of = (name: keyof RsaNumbers) => fromBase64Url(jwk[name] ?? "");
  return { n: of("n"), e: of("e"), d: of("d"), p: of("p"), q: of("q"), dp: of("dp"), dq: of("dq"), qi: of("qi") };
}

/**
 * A private key from its modulus and both exponents: the factors follow from them (SP 800-56B appendix C.1).
 * @throws RangeError when they do not belong together
 */
export function keyFromExponents(modulus: Uint8Array, exponent: Uint8Array, secret: Uint8Array): KeyObject {
  // The work grows with the cube of the length.
  if (modulus.length > mostBytes) throw new RangeError("an RSA key of another size");
  const [n, e, d] = [integer(modulus), integer(exponent), integer(secret)];
  let odd = e * d - 1n;
  if (n < 6n || n % 2n === 0n || e < 3n || d < 3n || odd % 2n !== 0n) throw new RangeError("no RSA key");
  while (odd % 2n === 0n) odd /= 2n;
  // A base finds the factors with a probability of one half and more.
  for (const base of [2n, 3n, 5n, 7n, 11n, 13n, 17n, 19n, 23n, 29n, 31n, 37n]) {
    const p = factorBy(power(base, odd, n), n);
    if (p !== null) return keyFromFactors(p, n / p, e);
  }
  throw new RangeError("the exponents do not belong to the modulus");
}

/** A square root of 1 that is neither 1 nor -1 gives a factor. */
function factorBy(start: bigint, n: bigint): bigint | null {
  let root = start;
  if (root === 1n || root === n - 1n) return null;
  for (let i = 0; i < 64; i++) {
    const square = (root * root) % n;
    if (square === 1n) return greatestCommonDivisor(root - 1n, n);
    if (square === n - 1n) return null;
    root = square;
  }
  return null;
}

/** @throws RangeError when the modulus is not their product */
export function keyFromPrimes(p: Uint8Array, q: Uint8Array, exponent: Uint8Array, modulus: Uint8Array): KeyObject {
  if (integer(p) * integer(q) !== integer(modulus)) throw new RangeError("the factors do not make the modulus");
  return keyFromFactors(integer(p), integer(q), integer(exponent));
}

function keyFromFactors(p: bigint, q: bigint, e: bigint): KeyObject {
  if (p < 3n || q < 3n || p === q) throw new RangeError("no RSA key");
  // The smallest d, as cards and OpenSSL choose it: modulo the least common multiple.
  const d = inverse(e, ((p - 1n) * (q - 1n)) / greatestCommonDivisor(p - 1n, q - 1n));
  const numbers = { n: p * q, e, d, p, q, dp: d % (p - 1n), dq: d % (q - 1n), qi: inverse(q, p) };
  const jwk = Object.fromEntries(Object.entries(numbers).map(([name, value]) => [name, base64Url(value)]));
  return createPrivateKey({ key: { kty: "RSA", ...jwk }, format: "jwk" });
}

function integer(bytes: Uint8Array): bigint {
  return BigInt(`0x${toHex(bytes) || "0"}`);
}

function base64Url(value: bigint): string {
  const hex = value.toString(16);
  const bytes = fromHex(hex.length % 2 === 0 ? hex : `0${hex}`);
  return btoa(String.fromCharCode(...bytes))
    .replaceAll("+", "-")
    .replaceAll("/", "_")
    .replaceAll("=", "");
}

function power(base: bigint, exponent: bigint, modulus: bigint): bigint {
  let result = 1n;
  for (const bit of exponent.toString(2)) {
    result = (result * result) % modulus;
    if (bit === "1") result = (result * base) % modulus;
  }
  return result;
}

function greatestCommonDivisor(a: bigint, b: bigint): bigint {
  return b === 0n ? a : greatestCommonDivisor(b, a % b);
}

/** @throws RangeError when there is none */
function inverse(value: bigint, modulus: bigint): bigint {
  let [a, b, x, y] = [value % modulus, modulus, 1n, 0n];
  while (b > 0n) {
    const quotient = a / b;
    [a, b, x, y] = [b, a - quotient * b, y, x - quotient * y];
  }
  if (a !== 1n) throw new RangeError("no RSA key");
  return x < 0n ? x + modulus : x;
}
