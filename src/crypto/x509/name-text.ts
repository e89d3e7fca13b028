import { utf8Text } from "../../bytes/bytes.ts";
import { toHex } from "../../bytes/hex.ts";
import { readTlv, readTlvs, type Tlv } from "../../bytes/tlv.ts";
import { HsmError } from "../../errors.ts";
import { attributeByOid } from "./name-attributes.ts";
import { decodeOid } from "./object-identifier.ts";

const what = "name";

/**
 * A Name in the form of RFC 4514; what it cannot say as text is there as `#hex`. An empty name is empty.
 * @throws HsmError `TLV_INVALID`, `X509_NAME_INVALID` (check-failed)
 */
export function nameText(der: Uint8Array): string {
  const outer = readTlv(der, what);
  if (outer.tag !== 0x30) throw invalid("it is no SEQUENCE");
  return readTlvs(outer.value, what).reverse().map(relativeText).join(",");
}

function relativeText({ tag, value }: Tlv): string {
  if (tag !== 0x31) throw invalid("one of its parts is no SET");
  return readTlvs(value, what).map(attributeText).join("+");
}

function attributeText({ tag, value }: Tlv): string {
  const [type, content] = tag === 0x30 ? readTlvs(value, what) : [];
  if (type?.tag !== 0x06 || content === undefined) throw invalid("one of its attributes has no value");
  const oid = decodeOid(type.value);
  const known = attributeByOid(oid);
  const text = known === undefined ? null : textIn(content);
  return `${known?.name ?? oid}=${text === null ? `#${toHex(content.raw)}` : escaped(text)}`;
}

function textIn({ tag, value }: Tlv): string | null {
  switch (tag) {
    // UTF8String, PrintableString, IA5String and NumericString.
    case 0x0c:
    case 0x12:
    case 0x13:
    case 0x16:
      return utf8Text(value);
    // TeletexString, which writers of old filled with Latin-1.
    case 0x14:
      return String.fromCharCode(...value);
    // BMPString.
    case 0x1e:
      return value.length % 2 === 0 ? new TextDecoder("utf-16be").decode(value) : null;
    default:
      return null;
  }
}

/** RFC 4514 section 2.4; control characters as hex too, they must not reach a terminal. */
function escaped(text: string): string {
  return text
    .replace(/["+,;<>\\]/g, "\\$&")
    .replace(/^[ #]/, "\\$&")
    .replace(/ $/, "\\ ")
    .replace(/[\p{Cc}\p{Cf}]/gu, (character) =>
      [...new TextEncoder().encode(character)].map((byte) => `\\${toHex(Uint8Array.of(byte))}`).join(""),
    );
}

function invalid(problem: string): HsmError {
  return new HsmError("X509_NAME_INVALID", "check-failed", `${what}: ${problem}`);
}
