import { HsmError } from "../errors.ts";

const digits = Array.from({ length: 256 }, (_, byte) => byte.toString(16).toUpperCase().padStart(2, "0"));

/** `3BFE18`, upper case as in the card's specification; `separator` goes between bytes. */
export function toHex(bytes: Uint8Array, separator = ""): string {
  let text = "";
  for (let i = 0; i < bytes.length; i++) text += (i > 0 ? separator : "") + digits[bytes[i] as number];
  return text;
}

/** A number as hex of at least `width` digits, for example a status word: `hexNumber(0x6a82, 4)` is `6A82`. */
export function hexNumber(value: number, width: number): string {
  return value.toString(16).toUpperCase().padStart(width, "0");
}

/**
 * Reads hex digits of either case. White space between bytes is allowed, nothing else.
 * @param what named in the error, for example `"SO-PIN"`; the text itself is not, it may be a secret
 * @throws HsmError `HEX_INVALID` (usage)
 */
export function fromHex(text: string, what = "hex value"): Uint8Array {
  const compact = text.replace(/\s+/g, "");
  if (compact.length % 2 !== 0) {
    throw new HsmError("HEX_INVALID", "usage", `${what}: ${compact.length} hex digits do not make whole bytes`);
  }
  if (!/^[0-9a-fA-F]*$/.test(compact)) {
    throw new HsmError("HEX_INVALID", "usage", `${what}: only the digits 0-9 and A-F are hex`);
  }
  const bytes = new Uint8Array(compact.length / 2);
  for (let i = 0; i < bytes.length; i++) bytes[i] = Number.parseInt(compact.slice(2 * i, 2 * i + 2), 16);
  return bytes;
}
