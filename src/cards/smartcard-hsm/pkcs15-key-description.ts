import { utf8Bytes, utf8Text } from "../../bytes/bytes.ts";
import { fromHex } from "../../bytes/hex.ts";
import { encodeTlv, findTlv, readTlv, readTlvs, type Tlv } from "../../bytes/tlv.ts";
import { HsmError } from "../../errors.ts";
import {
  decodeBits,
  decodeInteger,
  encodeBits,
  encodeInteger,
  encodePath,
  encodeTypeAttributes,
  insideSequence,
} from "./pkcs15-der.ts";

/**
 * Descriptions of keys, EF C4xx: PKCS#15 PrivateKey objects (PRKD) as OpenSC writes them, and the secret key objects
 * (SKD) of AES keys (reference 03, sections 3.3-3.5). Label and CKA_ID of a key live here and nowhere else.
 */
export const keyKindTags = { rsa: 0x30, ec: 0xa0, aes: 0xa8 } as const;
export type KeyKind = keyof typeof keyKindTags;

/** PKCS#15 KeyUsageFlags, by their bit number. */
export const keyUsages = [
  "encrypt",
  "decrypt",
  "sign",
  "sign-recover",
  "wrap",
  "unwrap",
  "verify",
  "verify-recover",
  "derive",
  "non-repudiation",
] as const;
export type KeyUsage = (typeof keyUsages)[number];

export interface KeyDescription {
  readonly kind: KeyKind;
  /** Empty where the description has none. */
  readonly label: string;
  /** CKA_ID; PKCS#11 finds the halves of a pair by it. */
  readonly id: Uint8Array;
  /** RSA modulus, EC field, AES key; `null` where the description does not say (old CardContact EC forms). */
  readonly bits: number | null;
  readonly usage: readonly KeyUsage[];
  /** Informative: what counts is the low byte of the file. */
  readonly keyReference: number | null;
  /** Made on the token and never outside of it; `null` where the description does not say. */
  readonly local: boolean | null;
}

/** What is needed to describe a key; the rest follows from its kind. */
export interface NewKeyDescription {
  readonly kind: KeyKind;
  readonly label: string;
  readonly id: Uint8Array;
  readonly bits: number;
  readonly keyReference: number;
  readonly usage?: readonly KeyUsage[] | undefined;
  /** `false` for a key that came from outside: then it is not called never extractable. */
  readonly local?: boolean | undefined;
}

const usual: Readonly<Record<"rsa" | "ec", readonly KeyUsage[]>> = {
  rsa: ["decrypt", "sign", "sign-recover", "unwrap"],
  ec: ["sign", "derive"],
};
/** Encrypt, decrypt and bit 11, with the count of unused bits as every writer of this form has it. */
const aesUsage = fromHex("030307C010");
const authId = encodeTlv(0x04, Uint8Array.of(0x01));
const localBit = 4;
const maxLabelBytes = 255;
const maxIdBytes = 128;

/** @throws HsmError `KEY_DESCRIPTION_INVALID` (usage) for a label or id that no program could show */
export function encodeKeyDescription(key: NewKeyDescription): Uint8Array {
  const { kind, id, bits, keyReference, usage, local = true } = key;
  if (id.length === 0 || id.length > maxIdBytes) {
    throw malformed(`the id of a key must be 1 to ${maxIdBytes} bytes, this one has ${id.length}`);
  }
  const label = encodeLabel(key.label);
  const iD = encodeTlv(0x04, id);
  if (kind === "aes") {
    const keyLength = encodeTlv(0xa0, encodeTlv(0x30, encodeInteger(bits)));
    return encodeTlv(
      keyKindTags.aes,
      encodeTlv(0x30, label),
      encodeTlv(0x30, iD, aesUsage),
      keyLength,
      encodeTypeAttributes(encodePath(null)),
    );
  }
  const flags = encodeBits([0, 1]);
  const access = encodeBits(local ? [0, 2, 3, localBit] : [0]);
  const use = encodeBits((usage ?? usual[kind]).map((name) => keyUsages.indexOf(name)));
  return encodeTlv(
    keyKindTags[kind],
    encodeTlv(0x30, label, flags, authId),
    encodeTlv(0x30, iD, use, access, encodeInteger(keyReference)),
    encodeTypeAttributes(encodePath(null), encodeInteger(bits)),
  );
}

const what = "key description";

/**
 * Reads a description of any writer (OpenSC, CardContact's scripts, Pico HSM). Bytes behind the object are not looked at.
 * @throws HsmError `TLV_INVALID` or `KEY_DESCRIPTION_INVALID` (check-failed)
 */
export function decodeKeyDescription(bytes: Uint8Array): KeyDescription {
  const { kind, object, key, rest } = structureOf(bytes);
  const [usage, access] = key.filter(({ tag }) => tag === 0x03);
  const reference = findTlv(key, 0x02);
  return {
    kind,
    label: textOf(findTlv(object, 0x0c)),
    id: findTlv(key, 0x04)?.value ?? new Uint8Array(0),
    bits: bitsOf(kind, rest),
    usage: decodeBits(usage?.value ?? new Uint8Array(0)).flatMap((bit) => keyUsages[bit] ?? []),
    keyReference: reference === undefined ? null : decodeInteger(reference.value),
    local: access === undefined ? null : decodeBits(access.value).includes(localBit),
  };
}

/**
 * The same description with another label; everything else in it stays as it is, whoever wrote it.
 * @throws HsmError as {@link decodeKeyDescription} and {@link encodeKeyDescription}
 */
export function relabelKeyDescription(bytes: Uint8Array, label: string): Uint8Array {
  const { outer, parts, object } = structureOf(bytes);
  const others = object.filter(({ tag }) => tag !== 0x0c).map(({ raw }) => raw);
  const behind = parts.slice(1).map(({ raw }) => raw);
  return encodeTlv(outer.tag, encodeTlv(0x30, encodeLabel(label), ...others), ...behind);
}

/**
 * The same description for the same key in another place: only the key reference, where it has one, is another.
 * @throws HsmError as {@link decodeKeyDescription}
 */
export function moveKeyDescription(bytes: Uint8Array, keyReference: number): Uint8Array {
  const { outer, parts, key } = structureOf(bytes);
  const moved = key.map(({ tag, raw }) => (tag === 0x02 ? encodeInteger(keyReference) : raw));
  const [object, , ...behind] = parts.map(({ raw }) => raw);
  return encodeTlv(outer.tag, object ?? new Uint8Array(0), encodeTlv(0x30, ...moved), ...behind);
}

interface Structure {
  readonly kind: KeyKind;
  readonly outer: Tlv;
  readonly parts: readonly Tlv[];
  /** CommonObjectAttributes, CommonKeyAttributes, and what follows them. */
  readonly object: readonly Tlv[];
  readonly key: readonly Tlv[];
  readonly rest: readonly Tlv[];
}

function structureOf(bytes: Uint8Array): Structure {
  const outer = readTlv(bytes, what);
  const [kind] = Object.entries(keyKindTags).find(([, tag]) => tag === outer.tag) ?? [];
  if (kind === undefined) throw invalid("it is of no known kind");
  const parts = readTlvs(outer.value, what);
  const [object, key, ...rest] = parts;
  if (object?.tag !== 0x30 || key?.tag !== 0x30) throw invalid("its attributes are missing");
  return {
    kind: kind as KeyKind,
    outer,
    parts,
    object: readTlvs(object.value, what),
    key: readTlvs(key.value, what),
    rest,
  };
}

function bitsOf(kind: KeyKind, rest: readonly Tlv[]): number | null {
  const attributes = findTlv(rest, kind === "aes" ? 0xa0 : 0xa1);
  if (attributes === undefined) return null;
  const value = findTlv(insideSequence(attributes, what), 0x02)?.value;
  const bits = value === undefined ? null : decodeInteger(value);
  // Pico HSM counts whole bytes; OpenSC mends it in the same way.
  return kind === "ec" && bits === 528 ? 521 : bits;
}

function textOf(label: Tlv | undefined): string {
  if (label === undefined) return "";
  return utf8Text(label.value) ?? String.fromCharCode(...label.value.map((byte) => (byte < 0x80 ? byte : 0x3f)));
}

/** Nothing for an empty label, as OpenSC does it. */
function encodeLabel(label: string): Uint8Array {
  if (label === "") return new Uint8Array(0);
  const bytes = utf8Bytes(label);
  if (bytes.length > maxLabelBytes) {
    throw malformed(`the label of a key must be at most ${maxLabelBytes} bytes of UTF-8, this one has ${bytes.length}`);
  }
  if (/\p{Cc}/u.test(label) || utf8Text(bytes) !== label) {
    throw malformed("the label of a key must be text without control characters");
  }
  return encodeTlv(0x0c, bytes);
}

function malformed(problem: string): HsmError {
  return new HsmError("KEY_DESCRIPTION_INVALID", "usage", problem, { advice: "nothing was sent to the token" });
}

function invalid(problem: string): HsmError {
  return new HsmError("KEY_DESCRIPTION_INVALID", "check-failed", `${what}: ${problem}`);
}
