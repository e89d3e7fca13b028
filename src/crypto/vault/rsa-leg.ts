import { constants, createHash, createPublicKey, publicEncrypt } from "node:crypto";
import { bigEndian, concat, utf8Bytes } from "../../bytes/bytes.ts";
import { withoutOaepPadding } from "../keys/rsa-padding.ts";
import { domains } from "./names.ts";

/**
 * An RSA leg's secret: 32 random bytes under RSAES-OAEP (RFC 8017) with SHA-256, MGF1 with SHA-256, and a label of our own.
 * Padded here, not by OpenSSL, so that golden vectors can fix the seed.
 */
export interface RsaPublicKey {
  readonly modulus: Uint8Array;
  readonly exponent: Uint8Array;
}

const hashBytes = 32;
const secretBytes = 32;
const label = utf8Bytes(domains.rsaLeg);

/** @returns as long as the modulus */
export function sealForRsa(key: RsaPublicKey, secret: Uint8Array, random: (length: number) => Uint8Array): Uint8Array {
  const block = withOaepPadding(secret, key.modulus.length, random(hashBytes));
  const jwk = { kty: "RSA", n: base64url(key.modulus), e: base64url(key.exponent) };
  const publicKey = createPublicKey({ key: jwk, format: "jwk" });
  try {
    return new Uint8Array(publicEncrypt({ key: publicKey, padding: constants.RSA_NO_PADDING }, block));
  } finally {
    block.fill(0);
  }
}

/** @returns the secret, or `null` for anything wrong inside the block */
export async function openWithRsa(
  ciphertext: Uint8Array,
  decryptRaw: (ciphertext: Uint8Array) => Promise<Uint8Array>,
): Promise<Uint8Array | null> {
  const block = await decryptRaw(ciphertext);
  try {
    const secret = withoutOaepPadding(block, "sha256", label);
    return secret.length === secretBytes ? secret : null;
  } catch {
    return null;
  } finally {
    block.fill(0);
  }
}

/** RFC 8017 section 7.1.1, step 2. */
function withOaepPadding(message: Uint8Array, length: number, seed: Uint8Array): Uint8Array {
  const filler = new Uint8Array(length - message.length - 2 * hashBytes - 2);
  const data = concat(sha256(label), filler, Uint8Array.of(1), message);
  const maskedData = xor(data, mask(seed, data.length));
  const maskedSeed = xor(seed, mask(maskedData, hashBytes));
  data.fill(0);
  seed.fill(0);
  return concat(Uint8Array.of(0), maskedSeed, maskedData);
}

/** MGF1 (RFC 8017 appendix B.2.1). */
function mask(seed: Uint8Array, length: number): Uint8Array {
  const blocks = Array.from({ length: Math.ceil(length / hashBytes) }, (_, i) => sha256(seed, bigEndian(i, 4)));
  return concat(...blocks).subarray(0, length);
}

function sha256(...parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(
    createHash("sha256")
      .update(concat(...parts))
      .digest(),
  );
}

function xor(a: Uint8Array, b: Uint8Array): Uint8Array {
  return a.map((byte, i) => byte ^ (b[i] ?? 0));
}

function base64url(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes))
    .replaceAll("+", "-")
    .replaceAll("/", "_")
    .replace(/=+$/, "");
}
