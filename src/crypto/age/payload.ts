import { randomBytes } from "node:crypto";
import { concat, utf8Bytes } from "../../bytes/bytes.ts";
import type { HsmError } from "../../errors.ts";
import { invalidFile } from "./age-errors.ts";
import type { ByteSource } from "./chunker.ts";
import { hkdf } from "./hkdf.ts";
import { StreamOpener, StreamSealer } from "./stream-cipher.ts";

/**
 * The payload of an age file (C2SP age.md, "Payload"; the STREAM construction): a nonce of 16 bytes, then chunks of
 * 64 KiB under ChaCha20-Poly1305, numbered, the last one marked. A chunk is given out only when its tag was right, so
 * what came before damage is genuine; that it is not the whole file, the exception says.
 */
const nonceBytes = 16;

/** The payload of `plain`. @param fileKey 16 bytes @param nonce for vectors only */
export function sealPayload(fileKey: Uint8Array, plain: Uint8Array, nonce = newNonce()): Uint8Array {
  const sealer = keyed(StreamSealer, fileKey, nonce);
  try {
    return concat(nonce, ...sealer.push(plain), ...sealer.end());
  } finally {
    sealer.wipe();
  }
}

/**
 * The plaintext of a whole payload.
 * @param bytes with the nonce
 * @throws HsmError `AGE_PAYLOAD_INVALID` (check-failed); `AGE_FILE_INVALID` when there is not even a nonce
 */
export function openPayload(fileKey: Uint8Array, bytes: Uint8Array): Uint8Array {
  if (bytes.length < nonceBytes) throw noNonce();
  const opener = keyed(StreamOpener, fileKey, bytes.subarray(0, nonceBytes));
  const parts: Uint8Array[] = [];
  try {
    for (const part of opener.push(bytes.subarray(nonceBytes))) parts.push(part);
    parts.push(opener.end());
    return concat(...parts);
  } finally {
    for (const part of parts) part.fill(0);
  }
}

/**
 * Seals a stream of any length in constant memory. The pieces given out are the caller's.
 * @param fileKey 16 bytes; not used after the call returned
 */
export function encryptPayload(fileKey: Uint8Array, source: ByteSource): AsyncGenerator<Uint8Array> {
  const nonce = newNonce();
  return sealed(keyed(StreamSealer, fileKey, nonce), nonce, source);
}

async function* sealed(sealer: StreamSealer, nonce: Uint8Array, source: ByteSource): AsyncGenerator<Uint8Array> {
  try {
    yield nonce;
    for await (const piece of source) yield* sealer.push(piece);
    yield* sealer.end();
  } finally {
    sealer.wipe();
  }
}

/**
 * Opens a stream of any length in constant memory: what is given out is authenticated, and complete only when the
 * generator ends without an exception.
 * @param fileKey 16 bytes; not used after the call returned
 * @throws HsmError `AGE_PAYLOAD_INVALID` (check-failed), also after some pieces; `AGE_FILE_INVALID` when there is not
 *   even a nonce
 */
export function decryptPayload(fileKey: Uint8Array, source: ByteSource): AsyncGenerator<Uint8Array> {
  return opened(fileKey.slice(), source);
}

async function* opened(fileKey: Uint8Array, source: ByteSource): AsyncGenerator<Uint8Array> {
  let nonce: Uint8Array = new Uint8Array(0);
  let opener: StreamOpener | undefined;
  try {
    for await (const piece of source) {
      let rest = piece;
      if (opener === undefined) {
        const taken = piece.subarray(0, nonceBytes - nonce.length);
        nonce = concat(nonce, taken);
        if (nonce.length < nonceBytes) continue;
        opener = keyed(StreamOpener, fileKey, nonce);
        rest = piece.subarray(taken.length);
      }
      yield* opener.push(rest);
    }
    if (opener === undefined) throw noNonce();
    const last = opener.end();
    if (last.length > 0) yield last;
  } finally {
    fileKey.fill(0);
  }
}

function keyed<Cipher>(cipher: new (key: Uint8Array) => Cipher, fileKey: Uint8Array, nonce: Uint8Array): Cipher {
  const key = hkdf(fileKey, nonce, utf8Bytes("payload"), 32);
  try {
    return new cipher(key);
  } finally {
    key.fill(0);
  }
}

function newNonce(): Uint8Array {
  return new Uint8Array(randomBytes(nonceBytes));
}

function noNonce(): HsmError {
  return invalidFile("it ends before its payload");
}
