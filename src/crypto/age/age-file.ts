import { concat } from "../../bytes/bytes.ts";
import { HsmError } from "../../errors.ts";
import type { ByteSource } from "./chunker.ts";
import {
  type AgeHeader,
  buildAgeHeader,
  headerEnd,
  headerMacMatches,
  maxHeaderBytes,
  parseAgeHeader,
} from "./header.ts";
import { decryptPayload, encryptPayload } from "./payload.ts";
import type { Stanza } from "./stanza.ts";

/** Finds the file key in a header's stanzas; `null` when none of them is meant for whoever is asked. */
export type Unwrap = (stanzas: readonly Stanza[]) => Promise<Uint8Array | null>;

/** An age file whose header was opened and found genuine. */
export interface OpenedAgeFile {
  readonly header: AgeHeader;
  /** See `decryptPayload`: complete only when it ends without an exception. */
  readonly payload: AsyncGenerator<Uint8Array>;
}

/**
 * Opens a binary age file from a stream. Nothing behind the header is read before `payload` is asked for.
 * @throws HsmError `AGE_FILE_INVALID`, `AGE_VERSION`; `AGE_NO_MATCH` (device) when `unwrap` finds nothing;
 *   `AGE_MAC_WRONG` (check-failed) when the header is not as its maker wrote it
 */
export async function openAgeFile(source: ByteSource, unwrap: Unwrap): Promise<OpenedAgeFile> {
  const pieces = iteratorOf(source);
  try {
    const { header, rest } = await readHeader(pieces);
    const fileKey = await unwrap(header.stanzas);
    if (fileKey === null) throw noMatch();
    try {
      if (!headerMacMatches(header, fileKey)) throw wrongMac();
      return { header, payload: decryptPayload(fileKey, following(rest, pieces)) };
    } finally {
      fileKey.fill(0);
    }
  } catch (error) {
    await pieces.return?.();
    throw error;
  }
}

/**
 * The bytes of an age file for these stanzas.
 * @param fileKey 16 bytes, fresh and of this file alone; not used after the call returned
 */
export function sealAgeFile(
  stanzas: readonly Stanza[],
  fileKey: Uint8Array,
  source: ByteSource,
): AsyncGenerator<Uint8Array> {
  return headed(buildAgeHeader(stanzas, fileKey), encryptPayload(fileKey, source));
}

async function* headed(header: Uint8Array, payload: AsyncGenerator<Uint8Array>): AsyncGenerator<Uint8Array> {
  yield header;
  yield* payload;
}

type Pieces = AsyncIterator<Uint8Array> | Iterator<Uint8Array>;

function iteratorOf(source: ByteSource): Pieces {
  return Symbol.asyncIterator in source ? source[Symbol.asyncIterator]() : source[Symbol.iterator]();
}

async function readHeader(pieces: Pieces): Promise<{ readonly header: AgeHeader; readonly rest: Uint8Array }> {
  let read: Uint8Array = new Uint8Array(0);
  for (;;) {
    const next = await pieces.next();
    if (next.done === true) {
      const header = parseAgeHeader(read);
      return { header, rest: read.subarray(header.length) };
    }
    read = concat(read, next.value);
    if (headerEnd(read) !== null || read.length > maxHeaderBytes) {
      const header = parseAgeHeader(read);
      return { header, rest: read.subarray(header.length) };
    }
  }
}

async function* following(first: Uint8Array, pieces: Pieces): AsyncGenerator<Uint8Array> {
  try {
    yield first;
    for (let next = await pieces.next(); next.done !== true; next = await pieces.next()) yield next.value;
  } finally {
    await pieces.return?.();
  }
}

function noMatch(): HsmError {
  return new HsmError("AGE_NO_MATCH", "device", "none of the keys at hand opens this file", {
    advice: "name or plug in another key",
  });
}

function wrongMac(): HsmError {
  return new HsmError("AGE_MAC_WRONG", "check-failed", "the file's header was changed after it was made", {
    advice: "take another copy of the file: this one cannot be trusted",
  });
}
