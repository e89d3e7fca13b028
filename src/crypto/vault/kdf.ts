import { bigEndian, concat, utf8Bytes } from "../../bytes/bytes.ts";
import { hkdfExpand, hkdfExtract } from "../age/hkdf.ts";

/**
 * HKDF-SHA256 (RFC 5869), 32 bytes out. Not over node's `hkdfSync`: that takes no info above 1024 bytes, and sixteen RSA
 * legs have more.
 * @param salt a domain string of `names.ts`, or bytes
 */
export function hkdf32(ikm: Uint8Array, salt: Uint8Array | string, info: Uint8Array | string): Uint8Array {
  const prk = hkdfExtract(asBytes(salt), ikm);
  try {
    return hkdfExpand(prk, asBytes(info), 32);
  } finally {
    prk.fill(0);
  }
}

/** Two bytes, most significant first. */
export function u16(value: number): Uint8Array {
  return bigEndian(value, 2);
}

/** A variable field of an info string: its length in two bytes, then itself. */
export function prefixed(field: Uint8Array | string): Uint8Array {
  const bytes = asBytes(field);
  return concat(u16(bytes.length), bytes);
}

function asBytes(value: Uint8Array | string): Uint8Array {
  return typeof value === "string" ? utf8Bytes(value) : value;
}
