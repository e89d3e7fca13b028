import { createCipheriv, createDecipheriv, createECDH, hkdfSync } from "node:crypto";
import { concat } from "../../../../src/bytes/bytes.ts";
import type { KeyAgreement } from "../../../../src/simulator/fido2/pin-protocol.ts";

/** Between host and authenticator (reference section 5), as recomputed from the recordings. */
export interface HostCipher {
  seal(plain: Uint8Array): Uint8Array;
  /** `null` for what was not sealed with it. */
  open(sealed: Uint8Array): Uint8Array | null;
}

export function hostCipher(own: KeyAgreement, peer: Uint8Array): HostCipher {
  const ecdh = createECDH("prime256v1");
  ecdh.setPrivateKey(own.scalar);
  const derived = new Uint8Array(hkdfSync("sha256", ecdh.computeSecret(peer), new Uint8Array(0), own.point, 44));
  return chacha(derived.subarray(12), derived.subarray(0, 12), own.point);
}

/** What a backup holds under the host's key; `null` when it is not that. */
export function openBlob(hostKey: Uint8Array, blob: Uint8Array): Uint8Array | null {
  return chacha(hostKey, blob.subarray(0, 12), new Uint8Array(0)).open(blob.subarray(12));
}

function chacha(key: Uint8Array, nonce: Uint8Array, aad: Uint8Array): HostCipher {
  const tag = { authTagLength: 16 } as const;
  return {
    seal(plain) {
      const cipher = createCipheriv("chacha20-poly1305", key, nonce, tag);
      cipher.setAAD(aad, { plaintextLength: plain.length });
      return concat(cipher.update(plain), cipher.final(), cipher.getAuthTag());
    },
    open(sealed) {
      if (sealed.length < 16) return null;
      const decipher = createDecipheriv("chacha20-poly1305", key, nonce, tag);
      decipher.setAAD(aad, { plaintextLength: sealed.length - 16 });
      decipher.setAuthTag(sealed.subarray(-16));
      try {
        return concat(decipher.update(sealed.subarray(0, -16)), decipher.final());
      } catch {
        return null;
      }
    },
  };
}
