import { randomBytes, scrypt } from "node:crypto";
import { concat, utf8Bytes } from "../../bytes/bytes.ts";
import { HsmError } from "../../errors.ts";
import { invalidFile } from "./age-errors.ts";
import { decodeBase64, encodeBase64 } from "./base64.ts";
import { checkWrappedLength, openFileKey, sealFileKey } from "./file-key.ts";
import type { Stanza } from "./stanza.ts";

/** The passphrase recipient of age (C2SP age.md, "The scrypt recipient type"): alone in its file, with no other. */
const type = "scrypt";
const label = utf8Bytes("age-encryption.org/v1/scrypt");
const saltBytes = 16;
/** What age itself writes: about a second, 256 MiB. */
const usualWorkFactor = 18;
/** 1 GiB of memory: a file made to waste more than that is refused. */
const highestWorkFactor = 20;

/**
 * @param passphrase in UTF-8
 * @param options `workFactor`: log2 of scrypt's N; `salt` for vectors only
 */
export async function wrapScrypt(
  fileKey: Uint8Array,
  passphrase: Uint8Array,
  options: { readonly workFactor?: number; readonly salt?: Uint8Array } = {},
): Promise<Stanza> {
  const { workFactor = usualWorkFactor, salt = new Uint8Array(randomBytes(saltBytes)) } = options;
  const key = await derived(passphrase, salt, workFactor);
  try {
    return { type, args: [encodeBase64(salt), String(workFactor)], body: sealFileKey(fileKey, key) };
  } finally {
    key.fill(0);
  }
}

/**
 * @returns the file key, or `null` when the stanza is of another type or the passphrase is another
 * @throws HsmError `AGE_FILE_INVALID` (check-failed) when it is a scrypt stanza and malformed, `AGE_WORK_FACTOR`
 *   (refused) when it asks for more work than `highest` allows
 */
export async function unwrapScrypt(
  stanza: Stanza,
  passphrase: Uint8Array,
  highest = highestWorkFactor,
): Promise<Uint8Array | null> {
  if (stanza.type !== type) return null;
  const [saltText, factor, ...more] = stanza.args;
  const salt = saltText === undefined ? null : decodeBase64(saltText);
  if (salt?.length !== saltBytes || factor === undefined || more.length > 0 || !/^[1-9][0-9]*$/.test(factor)) {
    throw invalidFile("a scrypt stanza without its salt of 16 bytes and its work factor");
  }
  checkWrappedLength(stanza.body);
  const workFactor = Number(factor);
  if (workFactor > highest) {
    throw new HsmError("AGE_WORK_FACTOR", "refused", `the passphrase's work factor is above ${highest}`, {
      advice: "the file may have been made to use up this machine's memory; age allows up to 22",
    });
  }
  const key = await derived(passphrase, salt, workFactor);
  try {
    return openFileKey(stanza.body, key);
  } finally {
    key.fill(0);
  }
}

async function derived(passphrase: Uint8Array, salt: Uint8Array, workFactor: number): Promise<Uint8Array> {
  const cost = 2 ** workFactor;
  // OpenSSL counts a little more than the 128 N r bytes that scrypt is said to use.
  const parameters = { N: cost, r: 8, p: 1, maxmem: 128 * 8 * (cost + 64) };
  return await new Promise((resolve, reject) => {
    scrypt(passphrase, concat(label, salt), 32, parameters, (error, key) => {
      if (error === null) resolve(new Uint8Array(key));
      else reject(error);
    });
  });
}
