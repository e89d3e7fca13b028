import { concat } from "../../../bytes/bytes.ts";
import type { Session } from "../session.ts";
import { algorithmIds } from "./algorithms.ts";
import { badAnswer, badInput, longestInput, longestShortInput, needKind, permitted, useKey } from "./key-use.ts";
import type { KeyInUse } from "./token-key.ts";

const block = 16;

/**
 * AES-CBC with a key on the token, without padding. The card starts every command with an IV of zeros; another IV, and
 * the step from one command to the next, is XORed in on the host. Needs a login.
 * @param plaintext whole blocks of 16 bytes, at least one
 * @param iv 16 bytes; zeros when absent
 */
export async function aesEncrypt(
  session: Session,
  key: KeyInUse,
  plaintext: Uint8Array,
  iv: Uint8Array = new Uint8Array(block),
): Promise<Uint8Array> {
  const algorithm = ready(session, key, plaintext, iv, "aes-encrypt");
  let chain = iv;
  const parts: Uint8Array[] = [];
  for (const piece of pieces(plaintext, session)) {
    const input = piece.slice();
    xorInto(input, chain);
    const output = await operate(session, key, algorithm, input);
    parts.push(output);
    chain = output.subarray(output.length - block);
  }
  return concat(...parts);
}

/** The inverse of {@link aesEncrypt}. */
export async function aesDecrypt(
  session: Session,
  key: KeyInUse,
  ciphertext: Uint8Array,
  iv: Uint8Array = new Uint8Array(block),
): Promise<Uint8Array> {
  const algorithm = ready(session, key, ciphertext, iv, "aes-decrypt");
  let chain = iv;
  const parts: Uint8Array[] = [];
  for (const piece of pieces(ciphertext, session)) {
    const output = (await operate(session, key, algorithm, piece)).slice();
    xorInto(output, chain);
    parts.push(output);
    chain = piece.subarray(piece.length - block);
  }
  return concat(...parts);
}

/**
 * AES-CMAC (RFC 4493) of a message that fits in one command. Needs a login.
 * @returns 16 bytes
 */
export async function aesCmac(session: Session, key: KeyInUse, message: Uint8Array): Promise<Uint8Array> {
  needKind(session, key, "aes", "CMAC");
  oneCommand(session, message, "the message for a CMAC", "hash longer ones first");
  const mac = await session.send(
    useKey("AES OPERATION", key, permitted(session, key, [algorithmIds["aes-cmac"]]), message, session),
    "login",
  );
  if (mac.length !== block) throw badAnswer(session, key, `a CMAC of ${mac.length} bytes`);
  return mac;
}

/**
 * The card's own key derivation. What it computes differs from one kind of token to another: a secret derived here can
 * be derived again on the same kind only. Needs a login.
 */
export async function aesDerive(session: Session, key: KeyInUse, input: Uint8Array): Promise<Uint8Array> {
  needKind(session, key, "aes", "derivation");
  oneCommand(session, input, "the input of a derivation", "hash longer ones first");
  const algorithm = permitted(session, key, [algorithmIds["aes-derive"]]);
  const secret = await session.send(useKey("AES OPERATION", key, algorithm, input, session), "login");
  if (secret.length === 0) throw badAnswer(session, key, "nothing was derived");
  return secret;
}

function ready(
  session: Session,
  key: KeyInUse,
  data: Uint8Array,
  iv: Uint8Array,
  name: "aes-encrypt" | "aes-decrypt",
): number {
  needKind(session, key, "aes", "AES");
  if (data.length === 0 || data.length % block !== 0) {
    throw badInput(`AES-CBC takes whole blocks of ${block} bytes, not ${data.length} bytes`, "pad the data first");
  }
  if (iv.length !== block) throw badInput(`an IV has ${block} bytes, this one has ${iv.length}`);
  return permitted(session, key, [algorithmIds[name]]);
}

function* pieces(data: Uint8Array, { extended }: Session): Generator<Uint8Array> {
  const longest = extended ? longestInput : longestShortInput;
  const size = longest - (longest % block);
  for (let offset = 0; offset < data.length; offset += size) yield data.subarray(offset, offset + size);
}

async function operate(session: Session, key: KeyInUse, algorithm: number, input: Uint8Array): Promise<Uint8Array> {
  const output = await session.send(useKey("AES OPERATION", key, algorithm, input, session), "login");
  if (output.length !== input.length) throw badAnswer(session, key, `${output.length} bytes for ${input.length}`);
  return output;
}

function oneCommand({ extended }: Session, data: Uint8Array, name: string, advice: string): void {
  const longest = extended ? longestInput : longestShortInput;
  if (data.length < 1 || data.length > longest) {
    throw badInput(`${name} has 1 to ${longest} bytes, this one has ${data.length}`, advice);
  }
}

function xorInto(data: Uint8Array, other: Uint8Array): void {
  for (let i = 0; i < block; i++) data[i] = (data[i] ?? 0) ^ (other[i] ?? 0);
}
