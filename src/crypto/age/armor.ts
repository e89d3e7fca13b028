import { concat, utf8Bytes } from "../../bytes/bytes.ts";
import { ArmorDecoder, armorBegin, armorEnd, armorLineBytes, isSpace, startsWith } from "./armor-decoder.ts";
import { encodeBase64 } from "./base64.ts";
import type { ByteSource } from "./chunker.ts";

/** White space that may stand before an armor for a file to be taken for one, as in the `age` program. */
const maxSpaceBefore = 1024;

/** Whether this begins as an armored file; white space may stand before it. */
export function isArmored(file: Uint8Array): boolean {
  const start = file.findIndex((byte) => !isSpace(byte));
  return start >= 0 && startsWith(file, start, armorBegin);
}

/** The armored text, with a line feed at its end. */
export function encodeArmor(file: Uint8Array): Uint8Array {
  const lines = [armorBegin];
  for (let at = 0; at < file.length; at += armorLineBytes) {
    lines.push(paddedBase64(file.subarray(at, at + armorLineBytes)));
  }
  return utf8Bytes(`${[...lines, armorEnd].join("\n")}\n`);
}

/**
 * The file within. White space around the armor and CRLF at its line ends are allowed, nothing else.
 * @throws HsmError `AGE_ARMOR_INVALID` (check-failed)
 */
export function decodeArmor(text: Uint8Array): Uint8Array {
  const decoder = new ArmorDecoder();
  const file = decoder.push(text).slice();
  decoder.end();
  return file;
}

/**
 * A file of any length out of its armor, or as it is where it has none. A piece is valid until the next one is asked for.
 * @throws HsmError `AGE_ARMOR_INVALID` (check-failed), also after some pieces
 */
export async function* withoutArmor(source: ByteSource): AsyncGenerator<Uint8Array> {
  let decoder: ArmorDecoder | undefined;
  let decided = false;
  let first: Uint8Array = new Uint8Array(0);
  for await (const piece of source) {
    if (decided) {
      yield decoder === undefined ? piece : decoder.push(piece);
      continue;
    }
    first = concat(first, piece);
    if (mayBecomeArmored(first)) continue;
    decided = true;
    if (isArmored(first)) decoder = new ArmorDecoder();
    yield decoder === undefined ? first : decoder.push(first);
    first = new Uint8Array(0);
  }
  if (!decided) yield first;
  decoder?.end();
}

/** Whether more bytes have to come to tell. */
function mayBecomeArmored(bytes: Uint8Array): boolean {
  const start = bytes.findIndex((byte) => !isSpace(byte));
  if (start < 0) return bytes.length <= maxSpaceBefore;
  const there = bytes.length - start;
  return there < armorBegin.length && startsWith(bytes, start, armorBegin.slice(0, there));
}

function paddedBase64(bytes: Uint8Array): string {
  const text = encodeBase64(bytes);
  return text.padEnd(Math.ceil(text.length / 4) * 4, "=");
}
