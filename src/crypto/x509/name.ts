import { asciiText, utf8Bytes, utf8Text } from "../../bytes/bytes.ts";
import { fromHex } from "../../bytes/hex.ts";
import { encodeTlv, readTlvs } from "../../bytes/tlv.ts";
import { HsmError } from "../../errors.ts";
import { attributeNamed, longestUnknown, type NameAttribute } from "./name-attributes.ts";
import { encodeOid } from "./object-identifier.ts";

/**
 * Reads a distinguished name as RFC 4514 writes it, `CN=Door 7,OU=Access,O=Example,C=DE`, and gives the DER of the Name.
 * What stands first in the text stands last in the DER (section 2.1). Blanks beside `,`, `+` and `=` are left out.
 * @throws HsmError `NAME_MALFORMED` (usage) with the place and what is wrong there
 */
export function encodeName(text: string): Uint8Array {
  if (text.trim() === "") throw malformed("the name is empty");
  const reader = new NameReader(text);
  const names: Uint8Array[] = [];
  do names.unshift(relativeName(reader));
  while (reader.take(","));
  reader.end();
  return encodeTlv(0x30, ...names);
}

/** One RDN: attributes with `+` between, in the order of their encodings (X.690 section 11.6). */
function relativeName(reader: NameReader): Uint8Array {
  const attributes: Uint8Array[] = [];
  do attributes.push(attribute(reader));
  while (reader.take("+"));
  return encodeTlv(0x31, ...attributes.sort(compare));
}

function attribute(reader: NameReader): Uint8Array {
  const type = reader.type();
  const known = attributeNamed(type);
  const oid = encodeOid(known?.oid ?? type);
  if (oid === null) {
    throw reader.wrong(`"${type}" is no attribute of names`, "use CN, O, OU, L, ST, C, DC … or a dotted identifier");
  }
  const value = reader.value();
  return encodeTlv(
    0x30,
    encodeTlv(0x06, oid),
    typeof value === "string" ? encodeValue(reader, type, known, value) : value,
  );
}

function encodeValue(reader: NameReader, type: string, known: NameAttribute | undefined, value: string): Uint8Array {
  const longest = known?.longest ?? longestUnknown;
  const length = [...value].length;
  if (length === 0) throw reader.wrong(`${type} is empty`);
  if (length > longest) throw reader.wrong(`${type} has ${length} characters, at most ${longest} are allowed`);
  if (/\p{Cc}/u.test(value)) throw reader.wrong(`${type} holds a control character`);
  const bytes = utf8Bytes(value);
  // A lone surrogate would be written as another character.
  if (utf8Text(bytes) !== value) throw reader.wrong(`${type} is no text`);
  switch (known?.string ?? "utf8") {
    case "utf8":
      return encodeTlv(0x0c, bytes);
    case "ia5":
      if (asciiText(bytes) === null) throw reader.wrong(`${type} may hold ASCII only`);
      return encodeTlv(0x16, bytes);
    case "printable":
      if (!/^[A-Za-z0-9 '()+,\-./:=?]*$/.test(value))
        throw reader.wrong(`${type} may hold letters, digits and ' () + , - . / : = ? only`);
      if (known?.name === "C" && !/^[A-Z]{2}$/.test(value)) throw reader.wrong("C is a country of two capital letters");
      return encodeTlv(0x13, bytes);
  }
}

const special = new Set([...'"+,;<>']);
const escapable = new Set([...'"+,;<>\\ #=']);

/** Walks through the text and knows where it is. */
class NameReader {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  /** Steps over a character, when it stands here. */
  take(character: string): boolean {
    this.#skipBlanks();
    if (this.#text[this.#at] !== character) return false;
    this.#at++;
    return true;
  }

  end(): void {
    if (this.#at < this.#text.length) throw this.wrong("behind a value , or + is missing");
  }

  /** Attribute type and the `=` behind it. */
  type(): string {
    this.#skipBlanks();
    const [found = ""] = /^(?:[A-Za-z][A-Za-z0-9-]*|\d+(?:\.\d+)+)/.exec(this.#text.slice(this.#at)) ?? [];
    if (found === "") throw this.wrong("an attribute such as CN= is missing");
    this.#at += found.length;
    if (!this.take("=")) throw this.wrong(`= is missing behind ${found}`);
    return found;
  }

  /** Text, or the BER of a value that was given as `#hex`. */
  value(): string | Uint8Array {
    this.#skipBlanks();
    return this.#text[this.#at] === "#" ? this.#hexValue() : this.#textValue();
  }

  wrong(problem: string, advice?: string): HsmError {
    return malformed(`${problem} (at character ${this.#at + 1})`, advice);
  }

  #textValue(): string {
    let value = "";
    // Where the value ends when what follows is blanks only: blanks count where they are escaped.
    let end = 0;
    while (this.#at < this.#text.length) {
      const character = String.fromCodePoint(this.#text.codePointAt(this.#at) ?? 0);
      if (character === "," || character === "+") break;
      if (special.has(character)) throw this.wrong(`${character} needs a \\ before it`);
      value += character === "\\" ? this.#escaped() : this.#plain(character);
      if (character !== " ") end = value.length;
    }
    return value.slice(0, end);
  }

  #plain(character: string): string {
    this.#at += character.length;
    return character;
  }

  /** `\,` is the character itself, `\C3\A9` are bytes of UTF-8. */
  #escaped(): string {
    const next = this.#text[this.#at + 1] ?? "";
    const [pairs = ""] = /^(?:\\[0-9A-Fa-f]{2})+/.exec(this.#text.slice(this.#at)) ?? [];
    if (pairs === "") {
      if (!escapable.has(next)) throw this.wrong('\\ stands before one of " + , ; < > \\ # = or before two hex digits');
      this.#at += 2;
      return next;
    }
    const text = utf8Text(fromHex(pairs.replaceAll("\\", "")));
    if (text === null) throw this.wrong("these hex digits are no UTF-8");
    this.#at += pairs.length;
    return text;
  }

  #hexValue(): Uint8Array {
    const [found = ""] = /^#[0-9A-Fa-f]*/.exec(this.#text.slice(this.#at)) ?? [];
    try {
      const bytes = fromHex(found.slice(1));
      if (readTlvs(bytes, "value").length !== 1) throw new HsmError("TLV_INVALID", "check-failed", "not one value");
      this.#at += found.length;
      return bytes;
    } catch (cause) {
      if (!(cause instanceof HsmError)) throw cause;
      throw this.wrong("# stands before one DER value in hex");
    }
  }

  #skipBlanks(): void {
    while (this.#text[this.#at] === " ") this.#at++;
  }
}

function compare(a: Uint8Array, b: Uint8Array): number {
  const different = a.findIndex((byte, i) => byte !== b[i]);
  return different < 0 ? a.length - b.length : (a[different] ?? 0) - (b[different] ?? 0);
}

function malformed(problem: string, advice = "write it as CN=NAME,O=ORGANISATION,C=DE (RFC 4514)"): HsmError {
  return new HsmError("NAME_MALFORMED", "usage", `malformed name: ${problem}`, { advice });
}
