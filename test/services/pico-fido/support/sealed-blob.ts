import { createCipheriv, randomBytes } from "node:crypto";
import { concat } from "../../../../src/bytes/bytes.ts";

/** What BACKUP would give of a device key, by the letter of the reference. */
export function sealedBlob(hostKey: Uint8Array, deviceKey: Uint8Array): Uint8Array {
  const nonce = new Uint8Array(randomBytes(12));
  const cipher = createCipheriv("chacha20-poly1305", hostKey, nonce, { authTagLength: 16 });
  return concat(nonce, cipher.update(deviceKey), cipher.final(), cipher.getAuthTag());
}
