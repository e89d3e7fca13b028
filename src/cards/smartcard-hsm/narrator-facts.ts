import { asciiText, utf8Text } from "../../bytes/bytes.ts";
import { toHex } from "../../bytes/hex.ts";
import { readTlv, tagName } from "../../bytes/tlv.ts";

/** One thing that a command or an answer says. */
export interface Fact {
  readonly name: string;
  readonly value: string;
  /**
   * The value belongs to one token or one moment (serial, key, signature, random, check value): between two recordings
   * of the same story it always differs, and says nothing about the firmware.
   */
  readonly individual?: true;
}

/** Values are cut after so many bytes, lists after so many objects. */
const shownBytes = 20;
const mostObjects = 40;
const deepest = 5;

export function fact(name: string, value: string): Fact {
  return { name, value };
}

export function individual(name: string, value: string): Fact {
  return { name, value, individual: true };
}

/** `"text"` where bytes are printable, else hex, cut with the number of bytes said. */
export function shownValue(bytes: Uint8Array): string {
  if (bytes.length === 0) return "empty";
  const text = bytes.length >= 3 ? (asciiText(bytes) ?? readableText(bytes)) : null;
  if (text !== null && text.length <= 64) return `"${text}"`;
  if (bytes.length <= shownBytes) return toHex(bytes, " ");
  return `${toHex(bytes.subarray(0, shownBytes), " ")} … (${bytes.length} bytes)`;
}

function readableText(bytes: Uint8Array): string | null {
  const text = utf8Text(bytes);
  return text === null || /[\p{Cc}\p{Cf}\p{Cn}\p{Co}]/u.test(text) ? null : text;
}

/** The objects of a TLV string by their path (`30/A1/30`), or the bytes where they are no TLV. */
export function outline(bytes: Uint8Array, name = "data"): Fact[] {
  const facts: Fact[] = [];
  if (bytes.length === 0) return facts;
  if (!addObjects(bytes, "", 0, facts)) return [fact(name, shownValue(bytes))];
  if (facts.length <= mostObjects) return facts;
  return [...facts.slice(0, mostObjects), fact("more", `${facts.length - mostObjects} objects are not shown`)];
}

/** @returns false when the bytes are not filled by objects; then nothing was added */
function addObjects(bytes: Uint8Array, path: string, depth: number, facts: Fact[]): boolean {
  const found: Fact[] = [];
  try {
    for (let at = 0; at < bytes.length; ) {
      const object = readTlv(bytes, "data", at);
      at += object.raw.length;
      const name = path === "" ? tagName(object.tag) : `${path}/${tagName(object.tag)}`;
      const constructed = ((object.raw[0] ?? 0) & 0x20) !== 0;
      const opened = constructed && depth < deepest && object.value.length > 0;
      if (!opened || !addObjects(object.value, name, depth + 1, found))
        found.push(fact(name, shownValue(object.value)));
    }
  } catch {
    return false;
  }
  // Padding and random bytes can look like objects: real ones have tags.
  if (depth === 0 && found.some(({ name }) => /^(?:00|FF)/.test(name))) return false;
  for (const each of found) facts.push(each);
  return true;
}
