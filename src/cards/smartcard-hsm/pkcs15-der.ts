import { concat } from "../../bytes/bytes.ts";
import { encodeTlv, readTlvs, type Tlv } from "../../bytes/tlv.ts";

/** The few pieces of DER that PKCS#15 objects are made of (ISO 7816-15; X.690). */

/** INTEGER of a whole number that is not negative. */
export function encodeInteger(value: number): Uint8Array {
  const bytes: number[] = [];
  for (let rest = value; rest > 0; rest = Math.floor(rest / 256)) bytes.unshift(rest % 256);
  if ((bytes[0] ?? 0x80) >= 0x80) bytes.unshift(0);
  return encodeTlv(0x02, Uint8Array.from(bytes));
}

/**
 * The value of an INTEGER of at most 4 digits, read without a sign: some writers forget the leading zero.
 * `null` when it is longer or empty.
 */
export function decodeInteger(value: Uint8Array): number | null {
  const first = value.findIndex((byte) => byte !== 0);
  const digits = first < 0 ? value.subarray(value.length) : value.subarray(first);
  if (value.length === 0 || digits.length > 4) return null;
  return digits.reduce((sum, digit) => sum * 256 + digit, 0);
}

/** BIT STRING of a named bit list: bit 0 is the top bit of the first byte, trailing zeros are cut (X.690 section 11.2). */
export function encodeBits(bits: readonly number[]): Uint8Array {
  const last = Math.max(-1, ...bits);
  const value = new Uint8Array(Math.floor(last / 8) + 1);
  for (const bit of bits) value[bit >> 3] = (value[bit >> 3] ?? 0) | (0x80 >> (bit & 7));
  return encodeTlv(0x03, Uint8Array.of(last < 0 ? 0 : 7 - (last & 7)), value);
}

/** The bits that are set; what the first byte says of unused bits is not believed (CardContact's AES form counts wrongly). */
export function decodeBits(value: Uint8Array): number[] {
  const bits: number[] = [];
  for (let bit = 0; bit < Math.min(8 * (value.length - 1), 64); bit++) {
    if (((value[1 + (bit >> 3)] ?? 0) & (0x80 >> (bit & 7))) !== 0) bits.push(bit);
  }
  return bits;
}

/** The parts of the first SEQUENCE inside `object`, or of `object` itself where a writer left the SEQUENCE out. */
export function insideSequence(object: Tlv, what: string): Tlv[] {
  const parts = readTlvs(object.value, what);
  const [first] = parts;
  return first?.tag === 0x30 && parts.length === 1 ? readTlvs(first.value, what) : parts;
}

/** Path to an elementary file, or the empty path of a key. */
export function encodePath(fid: number | null): Uint8Array {
  const path = fid === null ? new Uint8Array(0) : Uint8Array.of(fid >> 8, fid & 0xff);
  return encodeTlv(0x30, encodeTlv(0x04, path));
}

/** Type attributes `[1] { SEQUENCE { … } }`. */
export function encodeTypeAttributes(...parts: readonly Uint8Array[]): Uint8Array {
  return encodeTlv(0xa1, encodeTlv(0x30, concat(...parts)));
}
