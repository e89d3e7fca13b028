import { createCipheriv } from "node:crypto";

/**
 * AES-CMAC (NIST SP 800-38B, RFC 4493) over `node:crypto`, which has no CMAC of its own.
 * @param key 16, 24 or 32 bytes
 * @returns 16 bytes
 */
export function aesCmac(key: Uint8Array, message: Uint8Array): Uint8Array {
  const blocks = Math.max(1, Math.ceil(message.length / 16));
  const padded = new Uint8Array(16 * blocks);
  padded.set(message);
  const whole = message.length === padded.length;
  if (!whole) padded[message.length] = 0x80;
  const once = doubled(cbcLastBlock(key, new Uint8Array(16)));
  const mask = whole ? once : doubled(once);
  const last = padded.length - 16;
  for (let i = 0; i < 16; i++) padded[last + i] = (padded[last + i] as number) ^ (mask[i] as number);
  return cbcLastBlock(key, padded);
}

function cbcLastBlock(key: Uint8Array, whole: Uint8Array): Uint8Array {
  const cipher = createCipheriv(`aes-${8 * key.length}-cbc`, key, new Uint8Array(16));
  cipher.setAutoPadding(false);
  return new Uint8Array(cipher.update(whole).subarray(-16));
}

/** Multiplication by x in GF(2^128), reduced by 0x87. */
function doubled(block: Uint8Array): Uint8Array {
  const result = new Uint8Array(16);
  for (let i = 0; i < 16; i++) result[i] = ((block[i] as number) << 1) | ((block[i + 1] ?? 0) >> 7);
  if (((block[0] as number) & 0x80) !== 0) result[15] = (result[15] as number) ^ 0x87;
  return result;
}
