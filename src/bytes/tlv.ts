import { HsmError, type HsmErrorOptions } from "../errors.ts";
import { concat } from "./bytes.ts";
import { hexNumber } from "./hex.ts";

/** One BER-TLV data object (ISO 7816-4 section 5.2.2, X.690). Definite lengths up to 3 length bytes; tags up to 3 bytes. */
export interface Tlv {
  /** All tag bytes as one number: `0x5f20`, `0x7f4e`, `0x85`. */
  readonly tag: number;
  readonly value: Uint8Array;
  /** The whole object, tag and length included: what signatures of CVCs cover. */
  readonly raw: Uint8Array;
}

const maxTagBytes = 3;

function invalid(what: string, problem: string, options: HsmErrorOptions = {}): HsmError {
  return new HsmError("TLV_INVALID", "check-failed", `${what}: ${problem}`, options);
}

/**
 * Reads the object at `offset`.
 * @param what named in errors
 * @throws HsmError `TLV_INVALID` when tag, length or value do not fit
 */
export function readTlv(bytes: Uint8Array, what: string, offset = 0): Tlv {
  let at = offset;
  const next = (part: string): number => {
    const byte = bytes[at];
    if (byte === undefined) throw invalid(what, `ends inside a ${part} (offset ${at})`);
    at++;
    return byte;
  };
  let tag = next("tag");
  if ((tag & 0x1f) === 0x1f) {
    for (let more = true; more; ) {
      if (at - offset >= maxTagBytes) throw invalid(what, `tag longer than ${maxTagBytes} bytes at offset ${offset}`);
      const byte = next("tag");
      tag = tag * 256 + byte;
      more = (byte & 0x80) !== 0;
    }
  }
  let length = next("length");
  if (length === 0x80 || length > 0x83) {
    throw invalid(what, `length form ${hexNumber(length, 2)} of tag ${tagName(tag)} is not supported`);
  }
  if (length > 0x80) {
    const count = length & 0x7f;
    length = 0;
    for (let i = 0; i < count; i++) length = length * 256 + next("length");
  }
  if (at + length > bytes.length) {
    throw invalid(what, `tag ${tagName(tag)} says ${length} bytes, ${bytes.length - at} are there`);
  }
  return { tag, value: bytes.subarray(at, at + length), raw: bytes.subarray(offset, at + length) };
}

/**
 * Reads the objects that fill `bytes` entirely.
 * @throws HsmError `TLV_INVALID`
 */
export function readTlvs(bytes: Uint8Array, what: string): Tlv[] {
  const objects: Tlv[] = [];
  for (let offset = 0; offset < bytes.length; ) {
    const object = readTlv(bytes, what, offset);
    objects.push(object);
    offset += object.raw.length;
  }
  return objects;
}

/** The first object with this tag, or `undefined`. */
export function findTlv(objects: readonly Tlv[], tag: number): Tlv | undefined {
  return objects.find((object) => object.tag === tag);
}

/** The value of the object with this tag. @throws HsmError `TLV_INVALID` when it is missing */
export function requireTlv(objects: readonly Tlv[], tag: number, what: string): Uint8Array {
  const object = findTlv(objects, tag);
  if (object === undefined) throw invalid(what, `tag ${tagName(tag)} is missing`);
  return object.value;
}

/** Encodes one object; several values are joined. Lengths are minimal, as DER wants them. */
export function encodeTlv(tag: number, ...values: readonly Uint8Array[]): Uint8Array {
  const value = concat(...values);
  return concat(tagBytes(tag), lengthBytes(value.length), value);
}

/** `5F20`, as the specification prints it. */
export function tagName(tag: number): string {
  return hexNumber(tag, tag > 0xffff ? 6 : tag > 0xff ? 4 : 2);
}

function tagBytes(tag: number): Uint8Array {
  if (tag > 0xffff) return Uint8Array.of(tag >> 16, (tag >> 8) & 0xff, tag & 0xff);
  return tag > 0xff ? Uint8Array.of(tag >> 8, tag & 0xff) : Uint8Array.of(tag);
}

function lengthBytes(length: number): Uint8Array {
  if (length < 0x80) return Uint8Array.of(length);
  if (length < 0x100) return Uint8Array.of(0x81, length);
  if (length < 0x10000) return Uint8Array.of(0x82, length >> 8, length & 0xff);
  if (length < 0x1000000) return Uint8Array.of(0x83, length >> 16, (length >> 8) & 0xff, length & 0xff);
  throw invalid("TLV", `a value of ${length} bytes is too long`);
}
