import { createCipheriv, createDecipheriv } from "node:crypto";
import { concat } from "../../bytes/bytes.ts";
import { invalidFile } from "./age-errors.ts";

/**
 * The file key (16 bytes) under ChaCha20-Poly1305 with a nonce of zeros: each wrapping key is used once. The body is as
 * long as a wrapped file key or is refused before anything is decrypted, so that a body made of two ciphertexts cannot
 * tell keys apart (partitioning oracle).
 */

/** Bytes of a wrapped file key. */
export const wrappedBytes = 32;
export const zeroNonce = new Uint8Array(12);

export function sealFileKey(fileKey: Uint8Array, key: Uint8Array, nonce: Uint8Array = zeroNonce): Uint8Array {
  const cipher = createCipheriv("chacha20-poly1305", key, nonce, { authTagLength: 16 });
  return concat(cipher.update(fileKey), cipher.final(), cipher.getAuthTag());
}

/**
 * @returns the file key, or `null` when it was not wrapped under this key
 * @throws HsmError `AGE_FILE_INVALID` when the body has another length
 */
export function openFileKey(body: Uint8Array, key: Uint8Array, nonce: Uint8Array = zeroNonce): Uint8Array | null {
  checkWrappedLength(body);
  const decipher = createDecipheriv("chacha20-poly1305", key, nonce, { authTagLength: 16 });
  decipher.setAuthTag(body.subarray(wrappedBytes - 16));
  const fileKey = decipher.update(body.subarray(0, wrappedBytes - 16));
  try {
    decipher.final();
  } catch {
    fileKey.fill(0);
    return null;
  }
  // A copy in memory of its own: node takes small Buffers out of a pool that others share.
  const own = new Uint8Array(fileKey);
  fileKey.fill(0);
  return own;
}

export function checkWrappedLength(body: Uint8Array): void {
  if (body.length !== wrappedBytes) throw invalidFile(`a wrapped file key of ${body.length} bytes`);
}
