import { timingSafeEqual } from "node:crypto";
import { concat, utf8Bytes } from "../../bytes/bytes.ts";
import { HsmError } from "../../errors.ts";
import { invalidFile } from "./age-errors.ts";
import { decodeBase64, encodeBase64 } from "./base64.ts";
import { hkdf, hmac } from "./hkdf.ts";
import { encodeStanza, type Stanza, StanzaParser, StanzaSyntaxError } from "./stanza.ts";

/** The header of an age v1 file (C2SP age.md, "Header"). */
export interface AgeHeader {
  readonly stanzas: readonly Stanza[];
  /** 32 bytes, not yet checked: that takes the file key. */
  readonly mac: Uint8Array;
  /** What the MAC covers: the file's bytes up to and with `---`. */
  readonly macInput: Uint8Array;
  /** Bytes of the header; the payload begins there. */
  readonly length: number;
}

const versionLine = "age-encryption.org/v1";
/** Enough for thousands of recipients; a file without a line feed is not read for ever. */
export const maxHeaderBytes = 16 * 1024 * 1024;
const fileKeyBytes = 16;
const macBytes = 32;
const lineFeed = 0x0a;

/**
 * Reads the header at the beginning of a file. What follows it is not looked at.
 * @throws HsmError `AGE_FILE_INVALID` (check-failed), `AGE_VERSION` (not-supported) for a version other than v1
 */
export function parseAgeHeader(file: Uint8Array): AgeHeader {
  const parser = new StanzaParser();
  const stanzas: Stanza[] = [];
  let lineStart = 0;
  for (let number = 0; ; number++) {
    const end = file.indexOf(lineFeed, lineStart);
    if (end < 0 || end > maxHeaderBytes) throw invalidFile("it ends within its header");
    const line = asText(file.subarray(lineStart, end));
    if (number === 0) {
      checkVersion(line);
    } else if (parser.idle && line.startsWith("---")) {
      const mac = readMac(line);
      if (stanzas.length === 0) throw invalidFile("it has no recipients");
      checkScryptAlone(stanzas);
      return { stanzas, mac, macInput: file.slice(0, lineStart + 3), length: end + 1 };
    } else {
      const stanza = fed(parser, line);
      if (stanza !== undefined) stanzas.push(stanza);
    }
    lineStart = end + 1;
  }
}

/** The length of the header at the beginning of `bytes`, or `null` when its last line has not come yet. */
export function headerEnd(bytes: Uint8Array, from = 0): number | null {
  for (let lineStart = from; ; ) {
    const end = bytes.indexOf(lineFeed, lineStart);
    if (end < 0) return null;
    // No other line of a header begins with a minus but a stanza's first, `-> …`.
    if (bytes[lineStart] === 0x2d && bytes[lineStart + 1] === 0x2d) return end + 1;
    lineStart = end + 1;
  }
}

/**
 * A whole header with its MAC.
 * @param fileKey 16 bytes
 */
export function buildAgeHeader(stanzas: readonly Stanza[], fileKey: Uint8Array): Uint8Array {
  if (stanzas.length === 0) throw new HsmError("AGE_STANZA_INVALID", "unexpected", "an age file has a recipient");
  checkScryptAlone(stanzas);
  const macInput = utf8Bytes(`${versionLine}\n${stanzas.map(encodeStanza).join("")}---`);
  return concat(macInput, utf8Bytes(` ${encodeBase64(headerMac(macInput, fileKey))}\n`));
}

/** Whether the header is as whoever knew this file key wrote it. */
export function headerMacMatches(header: AgeHeader, fileKey: Uint8Array): boolean {
  return timingSafeEqual(headerMac(header.macInput, fileKey), header.mac);
}

function headerMac(macInput: Uint8Array, fileKey: Uint8Array): Uint8Array {
  if (fileKey.length !== fileKeyBytes) {
    throw new HsmError("AGE_FILE_KEY_INVALID", "unexpected", `a file key has ${fileKeyBytes} bytes`);
  }
  const key = hkdf(fileKey, new Uint8Array(0), utf8Bytes("header"), 32);
  try {
    return hmac(key, macInput);
  } finally {
    key.fill(0);
  }
}

function asText(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return text;
}

function checkVersion(line: string): void {
  if (line === versionLine) return;
  const version = /^age-encryption\.org\/(v[0-9]{1,9})$/.exec(line)?.[1];
  if (version !== undefined) {
    throw new HsmError("AGE_VERSION", "not-supported", `an age file of version ${version}; only v1 is known`, {
      advice: "a newer hsmadm or age may know it",
    });
  }
  if (line.startsWith("-----BEGIN AGE")) throw invalidFile("the armor around it was not taken off");
  throw invalidFile(`it does not begin with the line ${versionLine}`);
}

function fed(parser: StanzaParser, line: string): Stanza | undefined {
  try {
    return parser.line(line);
  } catch (error) {
    if (error instanceof StanzaSyntaxError) throw invalidFile(error.message, error);
    throw error;
  }
}

function readMac(line: string): Uint8Array {
  const mac = line.startsWith("--- ") ? decodeBase64(line.slice(4)) : null;
  if (mac?.length !== macBytes) throw invalidFile("the header's last line is not `---` and a MAC");
  return mac;
}

// A passphrase recipient says that whoever made the file knew the passphrase; a second recipient would make it a lie.
function checkScryptAlone(stanzas: readonly Stanza[]): void {
  if (stanzas.length > 1 && stanzas.some(({ type }) => type === "scrypt")) {
    throw invalidFile("a passphrase recipient must be the only one");
  }
}
