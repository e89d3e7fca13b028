import { createHash } from "node:crypto";
import { concat, equal, utf8Bytes } from "../../bytes/bytes.ts";
import { HsmError } from "../../errors.ts";
import { invalidFile, invalidKeyText } from "./age-errors.ts";
import { decodeBase64, encodeBase64 } from "./base64.ts";
import { decodeBech32, encodeBech32 } from "./bech32.ts";
import { checkWrappedLength, openFileKey, sealFileKey } from "./file-key.ts";
import { hkdfExtract } from "./hkdf.ts";
import { type Agree, decapsulate, encapsulate, keySchedule } from "./hpke.ts";
import { type P256Point, p256Point } from "./p256.ts";
import type { Stanza } from "./stanza.ts";

/**
 * The tagged recipient of age for hardware keys on P-256 (C2SP age.md, "The p256tag recipient type"). The tag tells the
 * holder of the public key, and nobody else, that the stanza is meant for its key, before the hardware is asked.
 */
const type = "p256tag";
const info = utf8Bytes("age-encryption.org/p256tag");
const prefix = "age1tag";

/** @param point of P-256, compressed or not @returns `age1tag1…` */
export function formatP256TagRecipient(point: Uint8Array): string {
  return encodeBech32(prefix, own(point).compressed);
}

/** @param text `age1tag1…` @returns the point, uncompressed @throws HsmError `AGE_KEY_INVALID` (usage) */
export function parseP256TagRecipient(text: string): Uint8Array {
  const what = "an age recipient on P-256 (age1tag1…)";
  const bytes = decodeBech32(text, prefix, what);
  const parsed = bytes.length === 33 ? p256Point(bytes) : null;
  if (parsed === null) throw invalidKeyText(what);
  return parsed.point;
}

/** @param point of P-256, compressed or not @param ephemeral scalar, for vectors only */
export function wrapP256Tag(fileKey: Uint8Array, point: Uint8Array, ephemeral?: Uint8Array): Stanza {
  const recipient = own(point);
  const { enc, sharedSecret } = encapsulate(recipient.point, ephemeral);
  const { key, nonce } = keySchedule(sharedSecret, info);
  try {
    const args = [encodeBase64(tagOf(enc, hashOf(recipient))), encodeBase64(enc)];
    return { type, args, body: sealFileKey(fileKey, key, nonce) };
  } finally {
    sharedSecret.fill(0);
    key.fill(0);
  }
}

/**
 * Whether this is a p256tag stanza for this key. One chance in 2^32 of a false yes.
 * @throws HsmError `AGE_FILE_INVALID` when it is a p256tag stanza and malformed
 */
export function p256TagMatches(stanza: Stanza, point: Uint8Array): boolean {
  if (stanza.type !== type) return false;
  return p256TagMatchesHash(stanza, hashOf(own(point)));
}

/**
 * As {@link p256TagMatches}, for somebody who knows no more of the key than a hash.
 * @param keyHash first 4 bytes of SHA-256 of the compressed point
 */
export function p256TagMatchesHash(stanza: Stanza, keyHash: Uint8Array): boolean {
  if (stanza.type !== type) return false;
  const { tag, enc } = parsed(stanza);
  return equal(tag, tagOf(enc, keyHash));
}

/**
 * @param point the receiver's own, compressed or not
 * @param agree asked only after the whole stanza was found well-formed, its point on the curve and its tag right
 * @throws HsmError `AGE_FILE_INVALID` (check-failed) when malformed, `AGE_STANZA_WRONG_KEY` (check-failed) when it was
 *   made for another key; whatever `agree` throws
 */
export async function unwrapP256Tag(stanza: Stanza, point: Uint8Array, agree: Agree): Promise<Uint8Array> {
  const recipient = own(point);
  if (!p256TagMatches(stanza, point)) throw wrongKey();
  const { enc } = parsed(stanza);
  const sharedSecret = await decapsulate(enc, recipient.point, agree);
  const { key, nonce } = keySchedule(sharedSecret, info);
  try {
    const fileKey = openFileKey(stanza.body, key, nonce);
    if (fileKey === null) throw wrongKey();
    return fileKey;
  } finally {
    sharedSecret.fill(0);
    key.fill(0);
  }
}

function parsed(stanza: Stanza): { readonly tag: Uint8Array; readonly enc: Uint8Array } {
  const [first, second, ...more] = stanza.args;
  const tag = first === undefined ? null : decodeBase64(first);
  const enc = second === undefined ? null : decodeBase64(second);
  if (tag?.length !== 4 || enc?.length !== 65 || more.length > 0) {
    throw invalidFile("a p256tag stanza without its tag of 4 bytes and its point of 65");
  }
  if (p256Point(enc) === null) throw invalidFile("a p256tag stanza whose point is not on P-256");
  checkWrappedLength(stanza.body);
  return { tag, enc };
}

function tagOf(enc: Uint8Array, keyHash: Uint8Array): Uint8Array {
  return hkdfExtract(info, concat(enc, keyHash)).slice(0, 4);
}

function hashOf({ compressed }: P256Point): Uint8Array {
  return new Uint8Array(createHash("sha256").update(compressed).digest().subarray(0, 4));
}

function own(point: Uint8Array): P256Point {
  const known = p256Point(point);
  if (known === null) throw new HsmError("POINT_INVALID", "check-failed", "not a public key on P-256");
  return known;
}

function wrongKey(): HsmError {
  return new HsmError("AGE_STANZA_WRONG_KEY", "check-failed", "the file key was not wrapped for this P-256 key", {
    advice: "the stanza or the answer of the token is not what it should be",
  });
}
