import { createPrivateKey, createPublicKey, diffieHellman, type PrivateKeyInput, randomBytes } from "node:crypto";
import { concat, utf8Bytes } from "../../bytes/bytes.ts";
import { fromHex } from "../../bytes/hex.ts";
import { invalidFile, invalidKeyText } from "./age-errors.ts";
import { decodeBase64, encodeBase64 } from "./base64.ts";
import { decodeBech32, encodeBech32 } from "./bech32.ts";
import { openFileKey, sealFileKey } from "./file-key.ts";
import { hkdf } from "./hkdf.ts";
import type { Stanza } from "./stanza.ts";

/** The native recipient type of age (C2SP age.md, "The X25519 recipient type"). */
const type = "X25519";
const info = utf8Bytes("age-encryption.org/v1/X25519");

export interface X25519KeyPair {
  readonly secret: Uint8Array;
  readonly publicKey: Uint8Array;
}

/** A fresh key pair in age's spelling. */
export function newX25519Identity(): { readonly identity: string; readonly recipient: string } {
  const secret = new Uint8Array(randomBytes(32));
  try {
    return {
      identity: encodeBech32("age-secret-key-", secret).toUpperCase(),
      recipient: formatX25519Recipient(x25519PublicKey(secret)),
    };
  } finally {
    secret.fill(0);
  }
}

/** @param text `AGE-SECRET-KEY-1…` @throws HsmError `AGE_KEY_INVALID` (usage) */
export function parseX25519Identity(text: string): X25519KeyPair {
  const what = "an age identity (AGE-SECRET-KEY-1…)";
  const secret = decodeBech32(text, "age-secret-key-", what, true);
  if (secret.length !== 32) throw invalidKeyText(what);
  return { secret, publicKey: x25519PublicKey(secret) };
}

/** @param text `age1…` @returns the public key, 32 bytes @throws HsmError `AGE_KEY_INVALID` (usage) */
export function parseX25519Recipient(text: string): Uint8Array {
  const what = "an age recipient (age1…)";
  const publicKey = decodeBech32(text, "age", what);
  if (publicKey.length !== 32) throw invalidKeyText(what);
  return publicKey;
}

export function formatX25519Recipient(publicKey: Uint8Array): string {
  return encodeBech32("age", publicKey);
}

/** @param ephemeral 32 bytes that no one else has and that are used once; for vectors only */
export function wrapX25519(fileKey: Uint8Array, publicKey: Uint8Array, ephemeral?: Uint8Array): Stanza {
  const secret = ephemeral?.slice() ?? new Uint8Array(randomBytes(32));
  const share = x25519PublicKey(secret);
  const shared = x25519Agree(secret, publicKey);
  if (shared === null) throw invalidKeyText("a usable age recipient: it is a point of low order");
  const key = hkdf(shared, concat(share, publicKey), info, 32);
  try {
    return { type, args: [encodeBase64(share)], body: sealFileKey(fileKey, key) };
  } finally {
    for (const bytes of [secret, shared, key]) bytes.fill(0);
  }
}

/**
 * @param secret 32 bytes
 * @returns the file key, or `null` when the stanza is of another type or for another key
 * @throws HsmError `AGE_FILE_INVALID` when it is an X25519 stanza and malformed
 */
export function unwrapX25519(stanza: Stanza, secret: Uint8Array): Uint8Array | null {
  if (stanza.type !== type) return null;
  const [text, ...more] = stanza.args;
  const share = text === undefined ? null : decodeBase64(text);
  if (share?.length !== 32 || more.length > 0) throw invalidFile("an X25519 stanza without its one share of 32 bytes");
  const shared = x25519Agree(secret, share);
  if (shared === null) throw invalidFile("an X25519 stanza with a share of low order");
  const key = hkdf(shared, concat(share, x25519PublicKey(secret)), info, 32);
  try {
    return openFileKey(stanza.body, key);
  } finally {
    shared.fill(0);
    key.fill(0);
  }
}

type Der = Extract<PrivateKeyInput["key"], Uint8Array>;
const pkcs8Prefix = fromHex("302E020100300506032B656E04220420");
const spkiPrefix = fromHex("302A300506032B656E032100");

/** The public key of a secret one (RFC 7748), 32 bytes each. */
export function x25519PublicKey(secret: Uint8Array): Uint8Array {
  const spki = createPublicKey(privateKey(secret)).export({ format: "der", type: "spki" });
  return new Uint8Array(spki.subarray(spkiPrefix.length));
}

/** The shared secret, 32 bytes, or `null` when it would be all zero: the other side's point is of low order. */
export function x25519Agree(secret: Uint8Array, publicKey: Uint8Array): Uint8Array | null {
  const other = createPublicKey({ key: concat(spkiPrefix, publicKey) as Der, format: "der", type: "spki" });
  let shared: Uint8Array;
  try {
    shared = new Uint8Array(diffieHellman({ privateKey: privateKey(secret), publicKey: other }));
  } catch {
    return null; // OpenSSL refuses the all-zero secret itself.
  }
  return shared.every((byte) => byte === 0) ? null : shared;
}

// OpenSSL takes raw keys in their DER wrapping only; node reads any bytes there, its types say Buffer.
function privateKey(secret: Uint8Array): ReturnType<typeof createPrivateKey> {
  const der = concat(pkcs8Prefix, secret);
  try {
    return createPrivateKey({ key: der as Der, format: "der", type: "pkcs8" });
  } finally {
    der.fill(0);
  }
}
