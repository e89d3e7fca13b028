import type { CardCommand } from "../../apdu/card-command.ts";
import { SW } from "../../apdu/status-word.ts";
import { isTransportFault } from "../../apdu/transport-error.ts";
import { bigEndian, concat } from "../../bytes/bytes.ts";
import { hexNumber } from "../../bytes/hex.ts";
import { encodeTlv, readTlv } from "../../bytes/tlv.ts";
import { HsmError } from "../../errors.ts";
import { fileIds } from "./file-ids.ts";
import { refusal } from "./refusals.ts";
import type { Session } from "./session.ts";

/** Files on these cards stay far below; the bounds keep a card that never ends from holding us. */
const maxFileBytes = 32_768;
const maxReads = 256;

const longRead = 65_536;
const shortRead = 256;
const longWrite = 1_200;
const shortWrite = 240;

interface Chunk {
  readonly data: Uint8Array;
  readonly sw: number;
}

/**
 * READ BINARY with the offset in data object 54, also at 0 (reference 02, section 2.2). 6282 carries data.
 * The refusals 6700 and 6B00 are results: they mean "not in this form" and "behind the end".
 */
export function readBinary(fid: number, offset: number, le: number, token: string): CardCommand<Chunk> {
  const data = encodeTlv(0x54, bigEndian(offset, 2));
  return {
    name: "READ BINARY",
    apdu: { cla: 0x00, ins: 0xb1, p1: fid >> 8, p2: fid & 0xff, data, le, extended: le > shortRead },
    parse({ data, sw }) {
      if (sw === SW.ok || sw === SW.endOfFile) return { data, sw };
      if (sw === SW.wrongLength || (sw === SW.offsetOutside && offset > 0)) return { data: data.subarray(0, 0), sw };
      throw refusal("READ BINARY", sw, token);
    },
  };
}

/** UPDATE BINARY: creates the file when it is missing. Needs a login. */
export function updateBinary(fid: number, offset: number, bytes: Uint8Array, token: string): CardCommand<boolean> {
  const data = concat(encodeTlv(0x54, bigEndian(offset, 2)), encodeTlv(0x53, bytes));
  return {
    name: "UPDATE BINARY",
    apdu: { cla: 0x00, ins: 0xd7, p1: fid >> 8, p2: fid & 0xff, data },
    parse({ sw }) {
      if (sw === SW.ok) return true;
      if (sw === SW.wrongLength && bytes.length > shortWrite) return false;
      throw refusal("UPDATE BINARY", sw, token);
    },
  };
}

/** The result tells whether the file was there. Needs a login. */
export function deleteBinary(fid: number, token: string): CardCommand<boolean> {
  return {
    name: "DELETE FILE",
    apdu: { cla: 0x00, ins: 0xe4, p1: 0x02, p2: 0x00, data: bigEndian(fid, 2) },
    parse({ sw }) {
      if (sw === SW.ok) return true;
      if (sw === SW.fileNotFound) return false;
      throw refusal("DELETE FILE", sw, token);
    },
  };
}

/** File identifiers, two bytes each. Pico HSM may add 0000, which is none. */
export function enumerateObjects(extended: boolean, token: string): CardCommand<number[] | null> {
  return {
    name: "ENUMERATE OBJECTS",
    apdu: { cla: 0x80, ins: 0x58, p1: 0x00, p2: 0x00, le: extended ? longRead : shortRead },
    parse({ data, sw }) {
      if (sw === SW.wrongLength && extended) return null;
      if (sw !== SW.ok && sw !== SW.endOfFile) throw refusal("ENUMERATE OBJECTS", sw, token);
      const found: number[] = [];
      for (let at = 0; at + 1 < data.length; at += 2) {
        const fid = (data[at] as number) * 256 + (data[at + 1] as number);
        if (fid !== 0) found.push(fid);
      }
      return found;
    },
  };
}

/** How a file's end is known: one object, objects to the end (certificates), or bytes until there are no more. */
type Shape = "object" | "objects" | "bytes";

function shapeOf(fid: number): Shape {
  if (fid === fileIds.deviceCertificates) return "objects";
  const prefix = fid >> 8;
  return fid === fileIds.tokenInfo ||
    prefix === 0xc4 ||
    prefix === 0xc8 ||
    prefix === 0xc9 ||
    prefix === 0xca ||
    prefix === 0xce
    ? "object"
    : "bytes";
}

/**
 * Reads a whole file; one exchange where the card gives it whole and its TLV lengths say that nothing is missing.
 * Bytes behind a single object (the tail of a longer one before it) are cut off.
 * @throws HsmError `FILE_NOT_FOUND`, `NOT_LOGGED_IN`, `FILE_TOO_LONG`
 */
export async function readFile(session: Session, fid: number): Promise<Uint8Array> {
  const shape = shapeOf(fid);
  let bytes: Uint8Array = new Uint8Array(0);
  for (let round = 0; round < maxReads; round++) {
    const chunk = await readChunk(session, fid, bytes.length);
    if (chunk.data.length === 0) return bytes;
    bytes = concat(bytes, chunk.data);
    if (bytes.length > maxFileBytes) break;
    // Firmware before 3.4 may answer 6282 although more is there, so a whole object is not the end of a chain of them.
    const maybeMore = chunk.sw === SW.endOfFile && shape === "objects" && olderThan34(session);
    const end = maybeMore ? null : endOf(bytes, shape);
    if (end !== null) return bytes.subarray(0, end);
  }
  throw new HsmError("FILE_TOO_LONG", "check-failed", `${session.token} does not end file ${hexNumber(fid, 4)}`, {
    advice: "the token or the contact to it is faulty; `hsmadm doctor` shows what it answers",
    token: session.token,
  });
}

function olderThan34({ application }: Session): boolean {
  const { major, minor } = application.version;
  return major < 3 || (major === 3 && minor < 4);
}

/** Where the content ends, or `null` when it may go on. */
function endOf(bytes: Uint8Array, shape: Shape): number | null {
  if (shape === "bytes") return null;
  let end = 0;
  try {
    do end += readTlv(bytes, "file", end).raw.length;
    while (shape === "objects" && end < bytes.length);
    return end;
  } catch {
    return null;
  }
}

async function readChunk(session: Session, fid: number, offset: number): Promise<Chunk> {
  if (session.extended) {
    try {
      const chunk = await session.send(readBinary(fid, offset, longRead, session.token));
      if (chunk.sw !== SW.wrongLength) return chunk;
    } catch (error) {
      // Readers without extended APDUs fail in the exchange, not with a status word.
      if (!isTransportFault(error, "EXCHANGE_FAILED")) throw error;
    }
    session.extended = false;
  }
  const chunk = await session.send(readBinary(fid, offset, shortRead, session.token));
  if (chunk.sw === SW.wrongLength) throw refusal("READ BINARY", chunk.sw, session.token);
  return chunk;
}

/** Like {@link readFile}, but empty where there is no such file. */
export async function readFileIfThere(session: Session, fid: number): Promise<Uint8Array> {
  try {
    return await readFile(session, fid);
  } catch (error) {
    if (error instanceof HsmError && error.code === "FILE_NOT_FOUND") return new Uint8Array(0);
    throw error;
  }
}

/** Writes a file from its beginning, in pieces. What a longer file had behind the new end may stay: delete it first. */
export async function writeFile(session: Session, fid: number, bytes: Uint8Array): Promise<void> {
  if (bytes.length > maxFileBytes) {
    throw new HsmError("FILE_TOO_LONG", "usage", `${bytes.length} bytes are more than a token takes in one file`);
  }
  for (let offset = 0; offset === 0 || offset < bytes.length; ) {
    const size = session.extended ? longWrite : shortWrite;
    const piece = bytes.subarray(offset, offset + size);
    if (await session.send(updateBinary(fid, offset, piece, session.token), "login")) {
      if (piece.length === 0) return;
      offset += piece.length;
    } else session.extended = false;
  }
}

/** @returns whether the file was there */
export async function deleteFile(session: Session, fid: number): Promise<boolean> {
  return session.send(deleteBinary(fid, session.token), "login");
}

export async function listFiles(session: Session): Promise<number[]> {
  if (session.extended) {
    try {
      const found = await session.send(enumerateObjects(true, session.token));
      if (found !== null) return found;
    } catch (error) {
      if (!isTransportFault(error, "EXCHANGE_FAILED")) throw error;
    }
    session.extended = false;
  }
  return (await session.send(enumerateObjects(false, session.token))) ?? [];
}
