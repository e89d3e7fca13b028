import { createPrivateKey, type KeyObject } from "node:crypto";
import { equal } from "../bytes/bytes.ts";
import { fromInteger, greatestCommonDivisor, modPow, stripped, toInteger } from "../crypto/curves/integers.ts";
import { rsaFromFactors } from "../crypto/keys/plain-key.ts";
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

/** The largest modulus that cards hold. */
const mostBytes = 512;

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
  const [n, e, d] = [toInteger(modulus), toInteger(exponent), toInteger(secret)];
  let odd = e * d - 1n;
  if (n < 6n || n % 2n === 0n || e < 3n || d < 3n || odd % 2n !== 0n) throw new RangeError("no RSA key");
  while (odd % 2n === 0n) odd /= 2n;
  // Each base finds the factors with a probability of one half and more.
  for (const base of [2n, 3n, 5n, 7n, 11n, 13n, 17n, 19n, 23n, 29n, 31n, 37n]) {
    const p = factorBy(modPow(base, odd, n), n);
    if (p !== null && p > 1n) return keyFromPrimes(bytes(p), bytes(n / p), exponent, modulus);
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

/** @throws Error when the modulus is not the product of these primes */
export function keyFromPrimes(p: Uint8Array, q: Uint8Array, exponent: Uint8Array, modulus: Uint8Array): KeyObject {
  const { modulus: n, privateExponent: d, factors } = rsaFromFactors(p, q, exponent);
  if (factors === undefined || !equal(n, stripped(modulus))) throw new RangeError("not the factors of the modulus");
  const { dP: dp, dQ: dq, qInv: qi } = factors;
  const numbers: RsaNumbers = { n, e: exponent, d, p: factors.p, q: factors.q, dp, dq, qi };
  const jwk = Object.fromEntries(Object.entries(numbers).map(([name, value]) => [name, base64Url(value)]));
  return createPrivateKey({ key: { kty: "RSA", ...jwk }, format: "jwk" });
}

function bytes(value: bigint): Uint8Array {
  return fromInteger(value, mostBytes);
}

function base64Url(value: Uint8Array): string {
  const text = btoa(String.fromCharCode(...value));
  return text.replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}
