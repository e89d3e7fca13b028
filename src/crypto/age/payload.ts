import { randomBytes } from "node:crypto";
import { concat, utf8Bytes } from "../../bytes/bytes.ts";
import type { HsmError } from "../../errors.ts";
import { invalidFile } from "./age-errors.ts";
import { ChunkOpener, ChunkSealer, chunkBytes, tagBytes } from "./chunk-cipher.ts";
import { type ByteSource, Chunker } from "./chunker.ts";
import { hkdf } from "./hkdf.ts";

/**
 * The payload of an age file (C2SP age.md, "Payload"; the STREAM construction): a nonce of 16 bytes, then chunks of
 * 64 KiB under ChaCha20-Poly1305, numbered, the last one marked. A chunk is given out only when its tag was right, so
 * what came before damage is genuine; that it is not the whole file, the exception says.
 */
const payloadNonceBytes = 16;

/** The payload of `plain`. @param fileKey 16 bytes @param nonce for vectors only */
export function sealPayload(fileKey: Uint8Array, plain: Uint8Array, nonce = newNonce()): Uint8Array {
  const key = payloadKey(fileKey, nonce);
  const chunker = new Chunker(chunkBytes);
  try {
    const sealer = new ChunkSealer(key);
    const parts = [nonce];
    for (const chunk of chunker.push(plain)) parts.push(sealer.seal(chunk, false));
    return concat(...parts, sealer.seal(chunker.end(), true));
  } finally {
    key.fill(0);
    chunker.wipe();
  }
}

/**
 * The plaintext of a whole payload.
 * @param bytes with the nonce
 * @throws HsmError `AGE_PAYLOAD_INVALID` (check-failed); `AGE_FILE_INVALID` when there is not even a nonce
 */
export function openPayload(fileKey: Uint8Array, bytes: Uint8Array): Uint8Array {
  if (bytes.length < payloadNonceBytes) throw noNonce();
  const key = payloadKey(fileKey, bytes.subarray(0, payloadNonceBytes));
  const parts: Uint8Array[] = [];
  try {
    const chunker = new Chunker(chunkBytes + tagBytes);
    const opener = new ChunkOpener(key);
    for (const chunk of chunker.push(bytes.subarray(payloadNonceBytes))) parts.push(opener.open(chunk, false));
    parts.push(opener.open(chunker.end(), true));
    return concat(...parts);
  } finally {
    key.fill(0);
    for (const part of parts) part.fill(0);
  }
}

/**
 * Seals a stream of any length in constant memory. The pieces given out are the caller's.
 * @param fileKey 16 bytes; not used after the call returned
 */
export function encryptPayload(fileKey: Uint8Array, source: ByteSource): AsyncGenerator<Uint8Array> {
  const nonce = newNonce();
  return sealed(payloadKey(fileKey, nonce), nonce, source);
}

async function* sealed(key: Uint8Array, nonce: Uint8Array, source: ByteSource): AsyncGenerator<Uint8Array> {
  const chunker = new Chunker(chunkBytes);
  const sealer = new ChunkSealer(key);
  try {
    yield nonce;
    for await (const block of source) {
      for (const chunk of chunker.push(block)) yield sealer.seal(chunk, false);
    }
    yield sealer.seal(chunker.end(), true);
  } finally {
    key.fill(0);
    chunker.wipe();
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
  const chunker = new Chunker(chunkBytes + tagBytes);
  let nonce: Uint8Array = new Uint8Array(0);
  let opener: ChunkOpener | undefined;
  let key: Uint8Array | undefined;
  try {
    for await (const block of source) {
      let rest = block;
      if (opener === undefined) {
        const taken = block.subarray(0, payloadNonceBytes - nonce.length);
        nonce = concat(nonce, taken);
        if (nonce.length < payloadNonceBytes) continue;
        key = payloadKey(fileKey, nonce);
        opener = new ChunkOpener(key);
        rest = block.subarray(taken.length);
      }
      for (const chunk of chunker.push(rest)) yield opener.open(chunk, false);
    }
    if (opener === undefined) throw noNonce();
    const last = opener.open(chunker.end(), true);
    if (last.length > 0) yield last;
  } finally {
    fileKey.fill(0);
    key?.fill(0);
  }
}

function newNonce(): Uint8Array {
  return new Uint8Array(randomBytes(payloadNonceBytes));
}

function payloadKey(fileKey: Uint8Array, nonce: Uint8Array): Uint8Array {
  return hkdf(fileKey, nonce, utf8Bytes("payload"), 32);
}

function noNonce(): HsmError {
  return invalidFile("it ends before its payload");
}
