/**
 * Standard base64 with padding between byte strings, never by way of a text: a string can be neither wiped nor kept from
 * being copied, and what passes here is secret.
 */

/** How many characters `length` bytes take. */
export function base64Length(length: number): number {
  return Math.ceil(length / 3) * 4;
}

/** Writes the characters of `bytes` into `target` from `offset`. @returns the offset behind them */
export function writeBase64(bytes: Uint8Array, target: Uint8Array, offset: number): number {
  let at = offset;
  for (let i = 0; i < bytes.length; i += 3) {
    const left = bytes.length - i;
    const group = ((bytes[i] ?? 0) << 16) | ((bytes[i + 1] ?? 0) << 8) | (bytes[i + 2] ?? 0);
    target[at++] = character(group >> 18);
    target[at++] = character((group >> 12) & 63);
    target[at++] = left > 1 ? character((group >> 6) & 63) : padding;
    target[at++] = left > 2 ? character(group & 63) : padding;
  }
  return at;
}

/** The bytes of canonical base64, or `null`: a stray character, a wrong length, bits behind the end. */
export function readBase64(text: Uint8Array): Uint8Array | null {
  if (text.length % 4 !== 0) return null;
  const pads = text.at(-1) !== padding ? 0 : text.at(-2) !== padding ? 1 : 2;
  const digits = text.length - pads;
  const bytes = new Uint8Array((text.length / 4) * 3 - pads);
  let bits = 0;
  let held = 0;
  let at = 0;
  for (let i = 0; i < digits; i++) {
    const digit = value(text[i] ?? 0);
    if (digit < 0) return null;
    held = ((held << 6) | digit) & 0xffff;
    bits += 6;
    if (bits < 8) continue;
    bits -= 8;
    bytes[at++] = (held >> bits) & 0xff;
  }
  return (held & ((1 << bits) - 1)) === 0 ? bytes : null;
}

const padding = 0x3d;

function character(digit: number): number {
  if (digit < 26) return digit + 0x41;
  if (digit < 52) return digit - 26 + 0x61;
  if (digit < 62) return digit - 52 + 0x30;
  return digit === 62 ? 0x2b : 0x2f;
}

function value(byte: number): number {
  if (byte >= 0x41 && byte <= 0x5a) return byte - 0x41;
  if (byte >= 0x61 && byte <= 0x7a) return byte - 0x61 + 26;
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30 + 52;
  if (byte === 0x2b) return 62;
  return byte === 0x2f ? 63 : -1;
}
