import { createCipheriv, createECDH, hkdfSync } from "node:crypto";
import { concat } from "../../bytes/bytes.ts";

/** What a host key is under on its way to the token: 32 bytes and a tag. */
export interface SealedHostKey {
  /** The host's point, 65 bytes. */
  readonly point: Uint8Array;
  /** @param tokenPoint the token's answer, 65 bytes. @throws Error when it is no point of P-256 */
  seal(tokenPoint: Uint8Array, hostKey: Uint8Array): Uint8Array;
  /** Overwrites the ephemeral scalar; it is of no use after. */
  wipe(): void;
}

const nonceLength = 12;
const keyLength = 32;

/**
 * The key agreement before UNLOCK and AUT_ENABLE (`pico-fido-vendor.md` section 5): nonce and key are
 * HKDF-SHA-256(x, no salt, info: the host's point), and the host's point is authenticated with them. For one use: a
 * second one would take the same nonce.
 * @param scalar P-256, overwritten by `wipe`
 */
export function tokenSeal(scalar: Uint8Array): SealedHostKey {
  const ecdh = createECDH("prime256v1");
  ecdh.setPrivateKey(scalar);
  const point = new Uint8Array(ecdh.getPublicKey());
  return {
    point,
    seal(tokenPoint, hostKey) {
      const z = ecdh.computeSecret(tokenPoint);
      const derived = new Uint8Array(hkdfSync("sha256", z, new Uint8Array(0), point, nonceLength + keyLength));
      try {
        const cipher = createCipheriv(
          "chacha20-poly1305",
          derived.subarray(nonceLength),
          derived.subarray(0, nonceLength),
          { authTagLength: 16 },
        );
        cipher.setAAD(point, { plaintextLength: hostKey.length });
        return concat(cipher.update(hostKey), cipher.final(), cipher.getAuthTag());
      } finally {
        z.fill(0);
        derived.fill(0);
      }
    },
    wipe: () => scalar.fill(0),
  };
}
