import { concat } from "../../bytes/bytes.ts";
import { HsmError } from "../../errors.ts";

/** The text form of an age file (C2SP age.md, "ASCII armor"), a strict PEM (RFC 7468). */
export const armorBegin = "-----BEGIN AGE ENCRYPTED FILE-----";
export const armorEnd = "-----END AGE ENCRYPTED FILE-----";
/** Bytes of a full line. */
export const armorLineBytes = 48;
const lineColumns = 64;

const [lineFeed, carriageReturn, equalsSign] = [0x0a, 0x0d, 0x3d];
const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
/** Six bits for each character of base64, 64 for any other byte. */
const sixBits = Uint8Array.from({ length: 256 }, (_, byte) => {
  const at = alphabet.indexOf(String.fromCharCode(byte));
  return at < 0 ? 64 : at;
});

/** Takes the armor off a text that comes in pieces of any sizes, holding back one line at most. */
export class ArmorDecoder {
  #state: "before" | "within" | "behind" = "before";
  /** The beginning of a line whose end has not come. */
  #held: Uint8Array = new Uint8Array(0);
  /** How many lines of the armor are read. */
  #lines = 0;
  /** What is wrong with the last line when another one follows it. */
  #onlyAsLast: HsmError | undefined;
  #decoded: Uint8Array = new Uint8Array(0);

  /** What these lines hold; valid until the next call. @throws HsmError `AGE_ARMOR_INVALID` (check-failed) */
  push(piece: Uint8Array): Uint8Array {
    const text = this.#held.length === 0 ? piece : concat(this.#held, piece);
    const room = Math.ceil(text.length / 4) * 3;
    if (this.#decoded.length < room) this.#decoded = new Uint8Array(room);
    let length = 0;
    let at = this.#state === "before" ? behindSpace(text, 0) : 0;
    for (;;) {
      if (this.#state === "within" && startsWith(text, at, armorEnd)) {
        this.#state = "behind";
        at += armorEnd.length;
      }
      if (this.#state === "behind") break;
      const lineEnd = text.indexOf(lineFeed, at);
      if (lineEnd < 0) break;
      length += this.#take(text, at, withoutReturn(text, at, lineEnd), length);
      at = lineEnd + 1;
    }
    this.#hold(text.subarray(at));
    return this.#decoded.subarray(0, length);
  }

  /** @throws HsmError `AGE_ARMOR_INVALID` (check-failed) when the last line has not come */
  end(): void {
    if (this.#state === "behind") return;
    const rest = this.#held.subarray(0, withoutReturn(this.#held, 0, this.#held.length));
    if (this.#state === "before" && !isBegin(rest, 0, rest.length)) throw noBegin();
    throw invalid("it does not end with its last line");
  }

  #hold(rest: Uint8Array): void {
    if (this.#state === "behind") {
      if (behindSpace(rest, 0) < rest.length) throw invalid("it does not end with its last line");
      this.#held = new Uint8Array(0);
      return;
    }
    // With a carriage return; what has no line feed is not kept for ever.
    if (rest.length > lineColumns + 1) throw this.#state === "before" ? noBegin() : notFull(this.#lines + 1);
    this.#held = rest.slice();
  }

  /** @returns how many bytes of the line were put at `to` */
  #take(text: Uint8Array, from: number, lineEnd: number, to: number): number {
    this.#lines++;
    if (this.#state === "before") {
      if (!isBegin(text, from, lineEnd)) throw noBegin();
      this.#state = "within";
      return 0;
    }
    if (this.#onlyAsLast !== undefined) throw this.#onlyAsLast;
    const columns = lineEnd - from;
    if (columns === 0 || columns > lineColumns) throw notFull(this.#lines);
    const length = decodeLine(text, from, columns, this.#decoded, to);
    if (length === null) throw notCanonical(this.#lines);
    if (columns < lineColumns) this.#onlyAsLast = notFull(this.#lines);
    else if (length < armorLineBytes) this.#onlyAsLast = notCanonical(this.#lines);
    return length;
  }
}

/** Where the text goes on behind white space. */
function behindSpace(text: Uint8Array, from: number): number {
  let at = from;
  while (at < text.length && isSpace(text[at] ?? 0)) at++;
  return at;
}

export function isSpace(byte: number): boolean {
  return byte === 0x20 || byte === 0x09 || byte === lineFeed || byte === carriageReturn;
}

export function startsWith(text: Uint8Array, from: number, words: string): boolean {
  if (text.length - from < words.length) return false;
  for (let i = 0; i < words.length; i++) if (text[from + i] !== words.charCodeAt(i)) return false;
  return true;
}

function isBegin(text: Uint8Array, from: number, lineEnd: number): boolean {
  return lineEnd - from === armorBegin.length && startsWith(text, from, armorBegin);
}

function withoutReturn(text: Uint8Array, from: number, lineEnd: number): number {
  return lineEnd > from && text[lineEnd - 1] === carriageReturn ? lineEnd - 1 : lineEnd;
}

/** @returns how many bytes were put at `to`; `null` where this is not the one canonical spelling of some bytes */
function decodeLine(text: Uint8Array, from: number, columns: number, decoded: Uint8Array, to: number): number | null {
  if (columns % 4 !== 0) return null;
  let wrong = 0;
  let at = to;
  const full = from + columns - 4;
  for (let i = from; i < full; i += 4) {
    const [a, b, c, d] = [bits(text, i), bits(text, i + 1), bits(text, i + 2), bits(text, i + 3)];
    wrong |= a | b | c | d;
    decoded[at++] = (a << 2) | (b >> 4);
    decoded[at++] = (b << 4) | (c >> 2);
    decoded[at++] = (c << 6) | d;
  }
  return wrong > 63 ? null : decodeLast(text, full, decoded, at, at - to);
}

/** The last four characters, of which two may be padding; what padding leaves over has to be zero. */
function decodeLast(text: Uint8Array, from: number, decoded: Uint8Array, to: number, before: number): number | null {
  const padding = text[from + 3] !== equalsSign ? 0 : text[from + 2] !== equalsSign ? 1 : 2;
  const [a, b] = [bits(text, from), bits(text, from + 1)];
  const [c, d] = [padding > 1 ? 0 : bits(text, from + 2), padding > 0 ? 0 : bits(text, from + 3)];
  const leftOver = padding === 2 ? b & 0x0f : padding === 1 ? c & 0x03 : 0;
  if ((a | b | c | d) > 63 || leftOver !== 0) return null;
  decoded[to] = (a << 2) | (b >> 4);
  if (padding < 2) decoded[to + 1] = (b << 4) | (c >> 2);
  if (padding < 1) decoded[to + 2] = (c << 6) | d;
  return before + 3 - padding;
}

function bits(text: Uint8Array, at: number): number {
  return sixBits[text[at] ?? 0] ?? 64;
}

function noBegin(): HsmError {
  return invalid("it does not begin with its first line");
}

function notFull(line: number): HsmError {
  return invalid(`line ${line} has not ${lineColumns} columns`);
}

function notCanonical(line: number): HsmError {
  return invalid(`line ${line} is not canonical base64`);
}

function invalid(problem: string): HsmError {
  return new HsmError("AGE_ARMOR_INVALID", "check-failed", `the armor around an age file is damaged: ${problem}`, {
    advice: "copy the text again, from its BEGIN line to its END line",
  });
}
