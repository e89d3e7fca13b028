import { createCipheriv, createDecipheriv, createHash, createHmac, hkdfSync } from "node:crypto";
import { concat, utf8Bytes } from "../../bytes/bytes.ts";
import { invalidAnswer } from "./cbor.ts";

/** CTAP's PIN/UV auth protocols (CTAP 2.1 sections 6.5.6 and 6.5.7): how the two sides encrypt and authenticate. */
export interface AuthProtocol {
  readonly version: 1 | 2;
  /** The shared secret of an ECDH result. @param z the x-coordinate, 32 bytes */
  sharedSecret(z: Uint8Array): Uint8Array;
  /** AES-256-CBC without padding; whole blocks only. @param newIv called for protocol 2 alone */
  encrypt(secret: Uint8Array, plain: Uint8Array, newIv: () => Uint8Array): Uint8Array;
  /** @param what named in errors */
  decrypt(secret: Uint8Array, encrypted: Uint8Array, what: string): Uint8Array;
  /** HMAC-SHA-256 under a shared secret or a pinUvAuthToken: 16 bytes in protocol 1, 32 in protocol 2. */
  authenticate(key: Uint8Array, message: Uint8Array): Uint8Array;
}

const blockLength = 16;
const keyLength = 32;

const one: AuthProtocol = {
  version: 1,
  sharedSecret: (z) => new Uint8Array(createHash("sha256").update(z).digest()),
  encrypt: (secret, plain) => cbc(secret, new Uint8Array(blockLength), plain),
  decrypt: (secret, encrypted, what) => unCbc(secret, new Uint8Array(blockLength), encrypted, what),
  authenticate: (key, message) => hmac(key, message).subarray(0, 16),
};

const two: AuthProtocol = {
  version: 2,
  sharedSecret: (z) => concat(derive(z, "CTAP2 HMAC key"), derive(z, "CTAP2 AES key")),
  encrypt(secret, plain, newIv) {
    const iv = newIv();
    return concat(iv, cbc(secret.subarray(keyLength), iv, plain));
  },
  decrypt(secret, encrypted, what) {
    const iv = encrypted.subarray(0, blockLength);
    return unCbc(secret.subarray(keyLength), iv, encrypted.subarray(blockLength), what);
  },
  // A pinUvAuthToken has 32 bytes, a shared secret 64 of which the first 32 are the HMAC key.
  authenticate: (key, message) => hmac(key.subarray(0, keyLength), message),
};

export const authProtocols = { 1: one, 2: two } as const;

/** The token's own preference among those we speak; `undefined` when there is none. */
export function preferredProtocol(offered: readonly number[]): AuthProtocol | undefined {
  const version = offered.find((each): each is 1 | 2 => each === 1 || each === 2);
  return version === undefined ? undefined : authProtocols[version];
}

function derive(z: Uint8Array, info: string): Uint8Array {
  return new Uint8Array(hkdfSync("sha256", z, new Uint8Array(32), utf8Bytes(info), keyLength));
}

function hmac(key: Uint8Array, message: Uint8Array): Uint8Array {
  return new Uint8Array(createHmac("sha256", key).update(message).digest());
}

function cbc(key: Uint8Array, iv: Uint8Array, plain: Uint8Array): Uint8Array {
  const cipher = createCipheriv("aes-256-cbc", key, iv).setAutoPadding(false);
  return concat(cipher.update(plain), cipher.final());
}

function unCbc(key: Uint8Array, iv: Uint8Array, encrypted: Uint8Array, what: string): Uint8Array {
  if (iv.length !== blockLength || encrypted.length === 0 || encrypted.length % blockLength !== 0) {
    throw invalidAnswer(what, `${encrypted.length} encrypted bytes are no whole blocks`);
  }
  const decipher = createDecipheriv("aes-256-cbc", key, iv).setAutoPadding(false);
  return concat(decipher.update(encrypted), decipher.final());
}
