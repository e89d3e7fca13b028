import { constants, createHash, createPublicKey, publicEncrypt } from "node:crypto";
import { concat, equal, utf8Bytes } from "../../bytes/bytes.ts";
import { HsmError } from "../../errors.ts";
import { publicKeyPem } from "../keys/public-key-formats.ts";
import { withoutOaepPadding } from "../keys/rsa-padding.ts";
import { invalidFile } from "./age-errors.ts";
import { decodeBase64, encodeBase64 } from "./base64.ts";
import type { Stanza } from "./stanza.ts";

/**
 * age's recipient for RSA keys of OpenSSH: the file key under RSAES-OAEP with SHA-256 and a label. Any age encrypts to
 * the `ssh-rsa` line of a public key. The tag is always the same for one key: whoever sees two files can link them.
 */
const type = "ssh-rsa";
const label = utf8Bytes("age-encryption.org/v1/ssh-rsa");

/** Both big-endian, with or without leading zeros. */
export interface RsaNumbers {
  readonly modulus: Uint8Array;
  readonly exponent: Uint8Array;
}

/** The first 4 bytes of SHA-256 over the key as SSH sends it (RFC 4253 section 6.6). */
export function sshRsaTag(key: RsaNumbers): Uint8Array {
  const wire = concat(sshString(utf8Bytes("ssh-rsa")), mpint(key.exponent), mpint(key.modulus));
  return new Uint8Array(createHash("sha256").update(wire).digest().subarray(0, 4));
}

/** @throws HsmError `RSA_KEY_TOO_SHORT` (not-supported) below 2048 bits, as age itself refuses */
export function wrapSshRsa(fileKey: Uint8Array, key: RsaNumbers): Stanza {
  if (modulusOf(key).length < 256) {
    throw new HsmError("RSA_KEY_TOO_SHORT", "not-supported", "age wants RSA keys of 2048 bits or more");
  }
  const body = publicEncrypt(
    {
      key: createPublicKey(publicKeyPem({ kind: "rsa", ...key })),
      padding: constants.RSA_PKCS1_OAEP_PADDING,
      oaepHash: "sha256",
      oaepLabel: label,
    },
    fileKey,
  );
  return { type, args: [encodeBase64(sshRsaTag(key))], body: new Uint8Array(body) };
}

/**
 * Whether this is an ssh-rsa stanza for this key.
 * @throws HsmError `AGE_FILE_INVALID` when it is an ssh-rsa stanza and malformed
 */
export function sshRsaMatches(stanza: Stanza, key: RsaNumbers): boolean {
  return sshRsaMatchesTag(stanza, sshRsaTag(key));
}

/** As {@link sshRsaMatches}, for somebody who knows no more of the key than its {@link sshRsaTag}. */
export function sshRsaMatchesTag(stanza: Stanza, tag: Uint8Array): boolean {
  return stanza.type === type && equal(tagIn(stanza), tag);
}

/**
 * @param decryptRaw RSA without padding, which is taken off here. Asked only after tag and length were found right
 * @throws HsmError `AGE_FILE_INVALID` (check-failed) when malformed, `DECRYPTION_FAILED` (check-failed) for anything
 *   wrong behind it: what is wrong inside the block must not be told apart; whatever `decryptRaw` throws
 */
export async function unwrapSshRsa(
  stanza: Stanza,
  key: RsaNumbers,
  decryptRaw: (ciphertext: Uint8Array) => Promise<Uint8Array>,
): Promise<Uint8Array> {
  if (!sshRsaMatches(stanza, key)) throw failed();
  const modulus = modulusOf(key);
  if (stanza.body.length !== modulus.length) throw invalidFile("an ssh-rsa stanza as long as no ciphertext of its key");
  if (!isBelow(stanza.body, modulus)) throw invalidFile("an ssh-rsa stanza with a number above its key's modulus");
  const block = await decryptRaw(stanza.body);
  try {
    if (block.length !== modulus.length) throw failed();
    const fileKey = withoutOaepPadding(block, "sha256", label);
    if (fileKey.length !== 16) throw failed();
    return fileKey;
  } finally {
    block.fill(0);
  }
}

function tagIn(stanza: Stanza): Uint8Array {
  const [text, ...more] = stanza.args;
  const tag = text === undefined ? null : decodeBase64(text);
  if (tag?.length !== 4 || more.length > 0) throw invalidFile("an ssh-rsa stanza without its one tag of 4 bytes");
  return tag;
}

function modulusOf(key: RsaNumbers): Uint8Array {
  return withoutZeros(key.modulus);
}

function withoutZeros(bytes: Uint8Array): Uint8Array {
  const first = bytes.findIndex((byte) => byte !== 0);
  return bytes.subarray(first < 0 ? bytes.length : first);
}

function isBelow(number: Uint8Array, bound: Uint8Array): boolean {
  const differs = number.findIndex((byte, i) => byte !== bound[i]);
  return differs >= 0 && (number[differs] ?? 0) < (bound[differs] ?? 0);
}

function sshString(bytes: Uint8Array): Uint8Array {
  const length = new Uint8Array(4);
  new DataView(length.buffer).setUint32(0, bytes.length);
  return concat(length, bytes);
}

function mpint(number: Uint8Array): Uint8Array {
  const digits = withoutZeros(number);
  return sshString((digits[0] ?? 0) > 0x7f ? concat(Uint8Array.of(0), digits) : digits);
}

function failed(): HsmError {
  return new HsmError("DECRYPTION_FAILED", "check-failed", "the file key cannot be unwrapped with this RSA key", {
    advice: "it was wrapped for another key, or it is damaged",
  });
}
