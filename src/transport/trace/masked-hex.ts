import type { ByteRange } from "../../apdu/redaction.ts";
import { hexNumber } from "../../bytes/hex.ts";
import { type MaskedBytes, maskFlags } from "./trace.ts";

/** Bytes on one line of a file; longer commands and answers go on in the next, see {@link maskedHexLines}. */
export const bytesPerLine = 32;
/** No command or answer of extended length is longer than this. */
export const maxBytes = 65_600;
/** What stands for a byte that is not known. */
export const maskSign = "**";
/** What stands for no bytes at all. */
export const nothingSign = "--";

/** `00 20 00 81 06 ** **`, all on one line. */
export function maskedHex(value: MaskedBytes): string {
  return words(value).join(" ") || nothingSign;
}

/** The same in lines of {@link bytesPerLine}, without the `\` that joins them. */
export function maskedHexLines(value: MaskedBytes): string[] {
  const all = words(value);
  const lines: string[] = [];
  for (let at = 0; at < all.length; at += bytesPerLine) lines.push(all.slice(at, at + bytesPerLine).join(" "));
  return lines.length === 0 ? [nothingSign] : lines;
}

function words(value: MaskedBytes): string[] {
  const flags = maskFlags(value);
  return Array.from(value.bytes, (byte, i) => (flags[i] === 1 ? maskSign : hexNumber(byte, 2)));
}

/** What one line of bytes says; `problem` instead when it does not follow the rules. */
export type BytesLine =
  | { readonly bytes: readonly (number | null)[]; readonly note: string | undefined; readonly more: boolean }
  | { readonly problem: string };

const byteWord = /^(?:[0-9A-Fa-f]{2}|\*\*)$/;

/**
 * Reads `00 20 00 81 06 ** **    VERIFY user PIN` or `62 22 81 \`. One blank goes between bytes; two or more (or a tab)
 * end them. A comment that begins like a byte is refused: a blank too many inside the bytes must not cut the command.
 * @param text the line without its sign (`>` or `<`), trimmed on both sides
 */
export function readBytesLine(text: string): BytesLine {
  const bytes: (number | null)[] = [];
  let at = 0;
  if (text.startsWith(nothingSign)) {
    at = nothingSign.length;
  } else {
    for (;;) {
      const word = text.slice(at, at + 2);
      if (!byteWord.test(word)) return { problem: notAByte(text, at) };
      bytes.push(word === maskSign ? null : Number.parseInt(word, 16));
      if (bytes.length > maxBytes) return { problem: `more than ${maxBytes} bytes, no APDU is so long` };
      at += 2;
      const next = text[at + 1];
      if (text[at] !== " " || next === undefined || next === " " || next === "\t" || next === "\\") break;
      at++;
    }
  }
  const rest = text.slice(at);
  if (rest === "") return { bytes, note: undefined, more: false };
  if (rest.trim() === "\\") return { bytes, note: undefined, more: true };
  if (!/^(?: {2}|\t| \t)/.test(rest)) return { problem: notAByte(text, at) };
  const note = rest.trim();
  if (looksLikeBytes(note)) {
    return { problem: "more than one blank between bytes (a comment that begins like a byte wants `# ` before it)" };
  }
  return { bytes, note: note.startsWith("# ") ? note.slice(2) : note, more: false };
}

/** Whether a comment needs `# ` before it, so that it is not taken for bytes, for a `\`, or loses a `#` of its own. */
export function needsQuote(note: string): boolean {
  return note.startsWith("#") || note === "\\" || looksLikeBytes(note);
}

function looksLikeBytes(note: string): boolean {
  return byteWord.test(note.split(/\s/, 1)[0] as string);
}

// The text itself is not repeated: in a damaged file it may be part of a secret.
function notAByte(text: string, at: number): string {
  if (text.length - at < 2) return "ends inside a byte: the file is cut off or a digit is missing";
  return `no byte at column ${at + 3}: two hex digits or ${maskSign}, one blank between bytes, two before a comment`;
}

/** `null` is a byte that is not known. */
export function toMaskedBytes(values: readonly (number | null)[]): MaskedBytes {
  const masked: ByteRange[] = [];
  let start: number | undefined;
  values.forEach((value, i) => {
    if (value === null) start ??= i;
    else if (start !== undefined) {
      masked.push({ start, end: i });
      start = undefined;
    }
  });
  if (start !== undefined) masked.push({ start, end: values.length });
  return { bytes: Uint8Array.from(values, (value) => value ?? 0), masked };
}
