import { createDecipheriv } from "node:crypto";
import { concat } from "../../bytes/bytes.ts";
import { HsmError } from "../../errors.ts";

const nonceLength = 12;
const tagLength = 16;
const deviceKeyLength = 32;
/** Nonce, device key, tag. */
export const blobLength = nonceLength + deviceKeyLength + tagLength;

/**
 * The device key inside what BACKUP gives, or `null` when this host key does not open it (or it was changed). The caller
 * overwrites it.
 * @throws HsmError `PICO_FIDO_BLOB_INVALID` (check-failed) when it has another length
 */
export function openBlob(blob: Uint8Array, hostKey: Uint8Array): Uint8Array | null {
  if (blob.length !== blobLength) {
    throw new HsmError(
      "PICO_FIDO_BLOB_INVALID",
      "check-failed",
      `the encrypted device key has ${blob.length} bytes, not ${blobLength}`,
      { advice: blob.length === 0 ? "there is no key in it: unplug the token, then look again" : undefined },
    );
  }
  const decipher = createDecipheriv("chacha20-poly1305", hostKey, blob.subarray(0, nonceLength), {
    authTagLength: tagLength,
  });
  decipher.setAuthTag(blob.subarray(blobLength - tagLength));
  const deviceKey = decipher.update(blob.subarray(nonceLength, blobLength - tagLength));
  try {
    const rest = decipher.final();
    return concat(deviceKey, rest);
  } catch {
    return null;
  } finally {
    deviceKey.fill(0);
  }
}

export type BlobVerdict = "good" | "other-key" | "zero-key";

/** Whether this host key opens it, to a device key that is one. The device key itself is overwritten. */
export function judgeBlob(blob: Uint8Array, hostKey: Uint8Array): BlobVerdict {
  const deviceKey = openBlob(blob, hostKey);
  if (deviceKey === null) return "other-key";
  const zero = deviceKey.every((byte) => byte === 0);
  deviceKey.fill(0);
  return zero ? "zero-key" : "good";
}
