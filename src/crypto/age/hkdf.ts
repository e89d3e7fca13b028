import { createHmac, hkdfSync } from "node:crypto";
import { bigEndian, concat } from "../../bytes/bytes.ts";

/** HMAC-SHA-256. */
export function hmac(key: Uint8Array, message: Uint8Array): Uint8Array {
  return new Uint8Array(createHmac("sha256", key).update(message).digest());
}

/** HKDF-SHA-256 (RFC 5869): both of its steps. */
export function hkdf(ikm: Uint8Array, salt: Uint8Array, info: Uint8Array, length: number): Uint8Array {
  return new Uint8Array(hkdfSync("sha256", ikm, salt, info, length));
}

/** The first step alone (RFC 5869 section 2.2): 32 bytes. */
export function hkdfExtract(salt: Uint8Array, ikm: Uint8Array): Uint8Array {
  return hmac(salt, ikm);
}

/** The second step alone (RFC 5869 section 2.3). @param length at most 8160 */
export function hkdfExpand(prk: Uint8Array, info: Uint8Array, length: number): Uint8Array {
  const out = new Uint8Array(Math.ceil(length / 32) * 32);
  let block = new Uint8Array(0);
  for (let i = 0; 32 * i < length; i++) {
    block = new Uint8Array(hmac(prk, concat(block, info, bigEndian(i + 1, 1))));
    out.set(block, 32 * i);
  }
  return out.slice(0, length);
}
