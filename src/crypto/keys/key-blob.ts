import { createCipheriv, createDecipheriv, randomBytes, timingSafeEqual } from "node:crypto";
import { bigEndian, concat, equal } from "../../bytes/bytes.ts";
import { fromHex, hexNumber, toHex } from "../../bytes/hex.ts";
import { ByteReader } from "../../bytes/reader.ts";
import { HsmError } from "../../errors.ts";
import { aesCmac } from "../aes-cmac.ts";
import type { DkekKeys } from "../shares/dkek.ts";
import { defaultStyle, type FieldStyle, readFields, writeFields } from "./key-blob-fields.ts";
import type { PlainKey } from "./plain-key.ts";

/**
 * A key wrapped under a DKEK, as WRAP KEY gives and UNWRAP KEY takes it. Reference 05 section 5.4; docs/key-blob-format.md.
 *
 * Nothing binds a blob to a label, an identifier or a certificate: those travel beside it.
 */
export interface KeyBlob {
  /** Key check value of the DKEK it is wrapped under. */
  readonly kcv: Uint8Array;
  readonly type: KeyBlobType;
  /** Object identifier (DER value) of the default algorithm; firmware 3.0-3.2 writes nonsense here for AES. */
  readonly defaultAlgorithm: Uint8Array;
  /** The key's algorithm list, one byte each (tag 91); empty: everything its type can. */
  readonly allowedAlgorithms: Uint8Array;
  readonly accessConditions: Uint8Array;
  readonly keyOid: Uint8Array;
  readonly ciphertext: Uint8Array;
  readonly mac: Uint8Array;
  /** What the MAC covers: everything before it. */
  readonly signedPart: Uint8Array;
}

export const keyBlobTypes = { rsa: 0x05, rsaCrt: 0x06, ec: 0x0c, aes: 0x0f } as const;
export type KeyBlobType = (typeof keyBlobTypes)[keyof typeof keyBlobTypes];

const defaultAlgorithms: Record<KeyBlobType, string> = {
  [keyBlobTypes.rsa]: "04007F00070202020102",
  [keyBlobTypes.rsaCrt]: "04007F00070202020102",
  [keyBlobTypes.ec]: "04007F00070202020203",
  [keyBlobTypes.aes]: "6086480165030401",
};

const what = "wrapped key";
const blockBytes = 16;
/** Of the random prefix that makes two blobs of one key differ. */
const prefixBytes = 8;
/** RSA-4096 with all its parts takes under 2.5 KB. */
const maxBlobBytes = 16 * 1024;

/** `rsa`, `ec` or `aes`. */
export function keyKindOf(blob: KeyBlob): PlainKey["kind"] {
  if (blob.type === keyBlobTypes.ec) return "ec";
  return blob.type === keyBlobTypes.aes ? "aes" : "rsa";
}

/**
 * Takes a blob apart without any key. Nothing in it is to be trusted before {@link checkKeyBlob}.
 * @throws HsmError `KEY_BLOB_INVALID` (check-failed)
 */
export function parseKeyBlob(bytes: Uint8Array): KeyBlob {
  if (bytes.length > maxBlobBytes) throw invalid(`${bytes.length} bytes are more than any key takes`);
  const macAt = bytes.length - blockBytes;
  if (macAt < 0) throw invalid(`${bytes.length} bytes are fewer than its MAC takes`);
  const signedPart = bytes.subarray(0, macAt);
  const reader = new ByteReader(signedPart, what);
  try {
    const kcv = reader.bytes(8);
    const type = typeOf(reader.byte());
    const [defaultAlgorithm, allowedAlgorithms, accessConditions, keyOid] = [0, 1, 2, 3].map(() =>
      reader.bytes(reader.uint16()),
    ) as [Uint8Array, Uint8Array, Uint8Array, Uint8Array];
    const ciphertext = reader.rest();
    if (ciphertext.length === 0 || ciphertext.length % blockBytes !== 0) {
      throw invalid(`${ciphertext.length} bytes of ciphertext are no whole blocks`);
    }
    const mac = bytes.subarray(macAt);
    return { kcv, type, defaultAlgorithm, allowedAlgorithms, accessConditions, keyOid, ciphertext, mac, signedPart };
  } catch (error) {
    if (error instanceof HsmError && error.code === "DATA_TRUNCATED") throw invalid("it is cut short", error);
    throw error;
  }
}

function typeOf(byte: number): KeyBlobType {
  const type = Object.values(keyBlobTypes).find((known) => known === byte);
  if (type === undefined) throw invalid(`key type ${hexNumber(byte, 2)} is unknown`);
  return type;
}

/**
 * Whether it is wrapped under this DKEK, and unchanged.
 *
 * The KCV is compared before the MAC so that the operator hears "wrapped under another DKEK" and not "corrupt". It
 * stands in the clear in every blob: 8 bytes of SHA-256(DKEK), which say nothing useful about the key.
 * @throws HsmError `KEY_BLOB_OTHER_DKEK`, `KEY_BLOB_MAC` (check-failed)
 */
export function checkKeyBlob(blob: KeyBlob, dkek: DkekKeys): void {
  if (!equal(blob.kcv, dkek.kcv)) {
    throw new HsmError(
      "KEY_BLOB_OTHER_DKEK",
      "check-failed",
      `this key is wrapped under the DKEK with KCV ${toHex(blob.kcv)}, the one at hand has ${toHex(dkek.kcv)}`,
      { advice: "take the shares of the token that the key came from" },
    );
  }
  if (!timingSafeEqual(aesCmac(dkek.mac, blob.signedPart), blob.mac)) {
    throw new HsmError(
      "KEY_BLOB_MAC",
      "check-failed",
      "the MAC of this wrapped key does not fit: it was changed or damaged",
      {
        advice: "take another copy of the file",
      },
    );
  }
}

/**
 * Unwraps: KCV, then MAC, then decryption.
 * Whether the public half belongs to the private one is another question: `publicBelongsToPrivate`.
 * @returns the key in the clear; wipe it (`wipeKey`) when done
 * @throws as {@link checkKeyBlob}; `KEY_BLOB_INVALID` (check-failed), `CURVE_UNKNOWN` (not-supported)
 */
export function openKeyBlob(blob: KeyBlob, dkek: DkekKeys): PlainKey {
  checkKeyBlob(blob, dkek);
  const decipher = createDecipheriv("aes-256-cbc", dkek.encryption, new Uint8Array(blockBytes)).setAutoPadding(false);
  const plain = new Uint8Array(decipher.update(blob.ciphertext));
  try {
    return readFields(blob.type, plain.subarray(Math.min(prefixBytes, plain.length)));
  } finally {
    plain.fill(0);
  }
}

export interface KeyBlobSettings {
  /** The key's algorithm list; genuine firmware 3.1 takes none but the empty one. */
  readonly allowedAlgorithms?: Uint8Array | undefined;
  /** How the fields are written; the vendor's way is the default. */
  readonly style?: Partial<FieldStyle> | undefined;
  readonly random?: ((length: number) => Uint8Array) | undefined;
}

/** Wraps. @throws HsmError `KEY_NOT_WRAPPABLE` (not-supported) for a key that the format cannot hold */
export function sealKeyBlob(key: PlainKey, dkek: DkekKeys, settings: KeyBlobSettings = {}): Uint8Array {
  const style: FieldStyle = { ...defaultStyle, ...settings.style };
  const { type, fields } = writeFields(key, style);
  const prefix = (settings.random ?? randomBytes)(prefixBytes);
  const plain = padded(concat(prefix, fields), style.padAligned);
  fields.fill(0);
  const cipher = createCipheriv("aes-256-cbc", dkek.encryption, new Uint8Array(blockBytes)).setAutoPadding(false);
  const signedPart = concat(
    dkek.kcv,
    Uint8Array.of(type),
    counted(fromHex(defaultAlgorithms[type])),
    counted(settings.allowedAlgorithms ?? new Uint8Array(0)),
    counted(new Uint8Array(0)),
    counted(new Uint8Array(0)),
    new Uint8Array(cipher.update(plain)),
  );
  plain.fill(0);
  return concat(signedPart, aesCmac(dkek.mac, signedPart));
}

/** ISO 9797-1 method 2. */
function padded(bytes: Uint8Array, alsoAligned: boolean): Uint8Array {
  if (bytes.length % blockBytes === 0 && !alsoAligned) return bytes;
  const whole = new Uint8Array(blockBytes * (Math.floor(bytes.length / blockBytes) + 1));
  whole.set(bytes);
  whole[bytes.length] = 0x80;
  bytes.fill(0);
  return whole;
}

function counted(bytes: Uint8Array): Uint8Array {
  return concat(bigEndian(bytes.length, 2), bytes);
}

function invalid(problem: string, cause?: unknown): HsmError {
  return new HsmError("KEY_BLOB_INVALID", "check-failed", `not a wrapped key: ${problem}`, { cause });
}
