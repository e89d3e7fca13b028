import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";
import { asciiText, concat, equal, utf8Bytes } from "../../bytes/bytes.ts";
import { HsmError } from "../../errors.ts";
import { checkShare, dkekBytes } from "./dkek.ts";
import { type DerivationOptions, deriveShareKey } from "./share-key.ts";

/**
 * The encrypted DKEK share of `sc-hsm-tool` (usually `*.pbe`), bit for bit: `Salted__ ‖ salt(8) ‖ AES-256-CBC(share ‖
 * padding)`, 64 bytes. Reference 05 section 5.2; docs/dkek-share-format.md.
 */
export const shareFileBytes = 64;

export interface DkekShareFile {
  readonly salt: Uint8Array;
  readonly ciphertext: Uint8Array;
}

const magic = utf8Bytes("Salted__");
const padding = new Uint8Array(16).fill(16);

/** Shorter passwords are refused, as by sc-hsm-tool when it asks. */
export const minPasswordBytes = 6;
/** Shorter ones get a warning: everything about the file but the password is known to a thief. */
export const goodPasswordBytes = 12;

/**
 * Takes the 64 bytes, or their base64 text (the printed form).
 * @throws HsmError `SHARE_FILE_INVALID` (check-failed) for anything else
 */
export function parseShareFile(content: Uint8Array): DkekShareFile {
  const bytes = content.length === shareFileBytes ? content : (printedForm(content) ?? content);
  if (bytes.length !== shareFileBytes) {
    throw invalid(`${bytes.length} bytes, it has ${shareFileBytes}`);
  }
  if (!equal(bytes.subarray(0, 8), magic)) throw invalid('it does not begin with "Salted__"');
  return { salt: bytes.slice(8, 16), ciphertext: bytes.slice(16) };
}

function printedForm(content: Uint8Array): Uint8Array | null {
  if (content.length > 200) return null;
  const text = asciiText(content.filter((byte) => byte > 0x20));
  if (text === null || !/^[0-9A-Za-z+/]{86}==$/.test(text)) return null;
  return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
}

/**
 * Opens a share file: 30 million rounds of MD5, some seconds on another thread.
 *
 * The format has no MAC. Its padding tells a wrong password, and damage to the salt or to the last block; damage to the
 * first two blocks of ciphertext (offsets 16-47) changes the share and only the KCV of the DKEK tells.
 * @returns the share, 32 bytes, secret
 * @throws HsmError `SHARE_PASSWORD_WRONG` (authentication); `SHARE_FILE_INVALID`, `DKEK_SHARE_ZERO` (check-failed)
 */
export async function openShareFile(
  content: Uint8Array,
  password: Uint8Array,
  options: DerivationOptions = {},
): Promise<Uint8Array> {
  const file = parseShareFile(content);
  const { key, iv } = await deriveShareKey(password, file.salt, options);
  const decipher = createDecipheriv("aes-256-cbc", key, iv).setAutoPadding(false);
  const plain = new Uint8Array(decipher.update(file.ciphertext));
  if (!equal(plain.subarray(dkekBytes), padding)) {
    throw new HsmError(
      "SHARE_PASSWORD_WRONG",
      "authentication",
      "wrong password for this DKEK share (or a damaged file)",
      {
        advice: "nothing was sent to a token; try the password again, or another copy of the file",
      },
    );
  }
  const share = plain.slice(0, dkekBytes);
  checkShare(share);
  return share;
}

export interface SealOptions extends DerivationOptions {
  /** Source of the salt, for tests. */
  readonly random?: ((length: number) => Uint8Array) | undefined;
}

/**
 * Makes a share file that `sc-hsm-tool --import-dkek-share` opens.
 * The password is used as it is: check one that a person chose with {@link checkSharePassword} first.
 * @returns 64 bytes
 */
export async function sealShareFile(
  share: Uint8Array,
  password: Uint8Array,
  options: SealOptions = {},
): Promise<Uint8Array> {
  checkShare(share);
  const salt = (options.random ?? randomBytes)(8).slice(0, 8);
  const { key, iv } = await deriveShareKey(password, salt, options);
  const cipher = createCipheriv("aes-256-cbc", key, iv).setAutoPadding(false);
  return concat(magic, salt, new Uint8Array(cipher.update(concat(share, padding))));
}

/** A new share. @param random bytes of a token's or the operating system's generator */
export function newShare(random: (length: number) => Uint8Array = randomBytes): Uint8Array {
  const share = new Uint8Array(random(dkekBytes)).slice();
  checkShare(share);
  return share;
}

/**
 * For a password that a person chose for a new file.
 * @returns a warning, or `null` when there is nothing to say
 * @throws HsmError `SHARE_PASSWORD_SHORT` (usage)
 */
export function checkSharePassword(password: Uint8Array): string | null {
  if (password.length < minPasswordBytes) {
    throw new HsmError(
      "SHARE_PASSWORD_SHORT",
      "usage",
      `a DKEK share password has at least ${minPasswordBytes} characters`,
      { advice: `take ${goodPasswordBytes} or more: whoever has the file can try passwords at leisure` },
    );
  }
  if (password.length >= goodPasswordBytes) return null;
  return `this password is shorter than ${goodPasswordBytes} characters: whoever has the file can try passwords at leisure`;
}

function invalid(problem: string): HsmError {
  return new HsmError("SHARE_FILE_INVALID", "check-failed", `not a DKEK share file: ${problem}`, {
    advice: "a file of `hsmadm share create` or `sc-hsm-tool --create-dkek-share` has 64 bytes",
  });
}
