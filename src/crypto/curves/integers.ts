import { toHex } from "../../bytes/hex.ts";

/** Unsigned big-endian integers, as keys carry them. Not constant time: JavaScript's BigInt cannot be (SECURITY.md). */
export function toInteger(bytes: Uint8Array): bigint {
  return BigInt(`0x${toHex(bytes) || "0"}`);
}

/** `value` in `length` bytes. @throws RangeError when it does not fit */
export function fromInteger(value: bigint, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  let rest = value;
  for (let i = length - 1; i >= 0; i--) {
    bytes[i] = Number(rest & 0xffn);
    rest >>= 8n;
  }
  if (rest !== 0n) throw new RangeError(`an integer does not fit into ${length} bytes`);
  return bytes;
}

/** Without leading zero bytes; zero is the empty string. */
export function stripped(bytes: Uint8Array): Uint8Array {
  const first = bytes.findIndex((byte) => byte !== 0);
  return first < 0 ? bytes.subarray(bytes.length) : bytes.subarray(first);
}

/** With leading zero bytes added or dropped; `null` when the digits are more than `length` bytes. */
export function withLength(bytes: Uint8Array, length: number): Uint8Array | null {
  const digits = stripped(bytes);
  if (digits.length > length) return null;
  const padded = new Uint8Array(length);
  padded.set(digits, length - digits.length);
  return padded;
}

/** Number of bits without leading zeros. */
export function bitLength(bytes: Uint8Array): number {
  const digits = stripped(bytes);
  return digits.length === 0 ? 0 : 8 * digits.length - (Math.clz32(digits[0] as number) - 24);
}

export function modPow(base: bigint, exponent: bigint, modulus: bigint): bigint {
  let result = 1n % modulus;
  for (const bit of exponent.toString(2)) {
    result = (result * result) % modulus;
    if (bit === "1") result = (result * base) % modulus;
  }
  return result;
}

/** The inverse, or `null` when there is none. */
export function modInverse(value: bigint, modulus: bigint): bigint | null {
  let [r, nextR] = [modulus, ((value % modulus) + modulus) % modulus];
  let [t, nextT] = [0n, 1n];
  while (nextR !== 0n) {
    const quotient = r / nextR;
    [r, nextR] = [nextR, r - quotient * nextR];
    [t, nextT] = [nextT, t - quotient * nextT];
  }
  return r === 1n ? ((t % modulus) + modulus) % modulus : null;
}

export function greatestCommonDivisor(a: bigint, b: bigint): bigint {
  let [x, y] = [a, b];
  while (y !== 0n) [x, y] = [y, x % y];
  return x;
}
