import { asciiText, concat, utf8Bytes } from "../../bytes/bytes.ts";
import { HsmError } from "../../errors.ts";
import { decodeBase64, encodeBase64 } from "./base64.ts";

/** The text form of an age file (C2SP age.md, "ASCII armor"), a strict PEM (RFC 7468). */
const begin = "-----BEGIN AGE ENCRYPTED FILE-----";
const end = "-----END AGE ENCRYPTED FILE-----";
const lineBytes = 48;
const lineColumns = 64;

/** Whether this begins as an armored file; white space may stand before it. */
export function isArmored(file: Uint8Array): boolean {
  const start = file.findIndex((byte) => !isSpace(byte));
  if (start < 0) return false;
  return asciiText(file.subarray(start, start + begin.length)) === begin;
}

/** The armored text, with a line feed at its end. */
export function encodeArmor(file: Uint8Array): Uint8Array {
  const lines = [begin];
  for (let at = 0; at < file.length; at += lineBytes) lines.push(paddedBase64(file.subarray(at, at + lineBytes)));
  return utf8Bytes(`${[...lines, end].join("\n")}\n`);
}

/**
 * The file within. White space around the armor and CRLF at its line ends are allowed, nothing else.
 * @throws HsmError `AGE_ARMOR_INVALID` (check-failed)
 */
export function decodeArmor(text: Uint8Array): Uint8Array {
  const lines = armorLines(text);
  if (lines[0] !== begin) throw invalid("it does not begin with its first line");
  if (lines.length < 2 || lines[lines.length - 1] !== end) throw invalid("it does not end with its last line");
  const body = lines.slice(1, -1);
  return concat(
    ...body.map((line, i) => {
      const full = line.length === lineColumns;
      const last = i === body.length - 1;
      if (!full && !(last && line.length > 0 && line.length < lineColumns)) {
        throw invalid(`line ${i + 2} has not ${lineColumns} columns`);
      }
      const bytes = fromPaddedBase64(line);
      if (bytes === null || (!last && bytes.length !== lineBytes))
        throw invalid(`line ${i + 2} is not canonical base64`);
      return bytes;
    }),
  );
}

function armorLines(text: Uint8Array): string[] {
  const from = text.findIndex((byte) => !isSpace(byte));
  const to = text.findLastIndex((byte) => !isSpace(byte));
  let decoded = "";
  for (const byte of text.subarray(Math.max(0, from), to + 1)) decoded += String.fromCharCode(byte);
  return decoded.split("\n").map((line) => (line.endsWith("\r") ? line.slice(0, -1) : line));
}

function isSpace(byte: number): boolean {
  return byte === 0x20 || byte === 0x09 || byte === 0x0a || byte === 0x0d;
}

function paddedBase64(bytes: Uint8Array): string {
  const text = encodeBase64(bytes);
  return text.padEnd(Math.ceil(text.length / 4) * 4, "=");
}

function fromPaddedBase64(line: string): Uint8Array | null {
  const bytes = decodeBase64(line.replace(/={1,2}$/, ""));
  return bytes !== null && paddedBase64(bytes) === line ? bytes : null;
}

function invalid(problem: string): HsmError {
  return new HsmError("AGE_ARMOR_INVALID", "check-failed", `the armor around an age file is damaged: ${problem}`, {
    advice: "copy the text again, from its BEGIN line to its END line",
  });
}
