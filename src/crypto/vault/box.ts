import { createCipheriv, createDecipheriv } from "node:crypto";
import { concat } from "../../bytes/bytes.ts";

/** ChaCha20-Poly1305 (RFC 8439) with a nonce of zeros: every key here is used for one message. */
const nonce = new Uint8Array(12);
const tagBytes = 16;

/** @param key 32 bytes, used once */
export function seal(key: Uint8Array, plain: Uint8Array): Uint8Array {
  const cipher = createCipheriv("chacha20-poly1305", key, nonce, { authTagLength: tagBytes });
  return concat(cipher.update(plain), cipher.final(), cipher.getAuthTag());
}

/**
 * @param length of the plain text. The body's length is checked before it is decrypted: one body that opens under two keys
 * needs room
 * @returns `null` when it was not sealed under this key
 */
export function unseal(key: Uint8Array, body: Uint8Array, length: number): Uint8Array | null {
  if (body.length !== length + tagBytes) return null;
  const decipher = createDecipheriv("chacha20-poly1305", key, nonce, { authTagLength: tagBytes });
  decipher.setAuthTag(body.subarray(length));
  const plain = decipher.update(body.subarray(0, length));
  try {
    decipher.final();
    // A copy of its own: small Buffers share memory with others, which nobody erases.
    return new Uint8Array(plain);
  } catch {
    return null;
  } finally {
    plain.fill(0);
  }
}

/** Bytes that sealing adds. */
export const sealedExtra = tagBytes;
