import { utf8Bytes, utf8Text } from "../../bytes/bytes.ts";
import { encodeTlv, findTlv, readTlv, readTlvs, type Tlv } from "../../bytes/tlv.ts";
import { HsmError } from "../../errors.ts";
import { decodeBits, encodeBits, encodePath, encodeTypeAttributes, insideSequence } from "./pkcs15-der.ts";

/**
 * Descriptions of files: certificates without a key, EF C8xx (CD), and data objects, EF C9xx (DCOD), as OpenSC writes
 * them (reference 03, section 3.6). The certificate of a key has none: its label and id are the key's.
 */
export interface CertificateDescription {
  readonly label: string;
  readonly id: Uint8Array;
  /** Belongs to a certification authority. */
  readonly authority: boolean;
  /** The file with the certificate, `0xca01`; `null` where the path is missing. */
  readonly fid: number | null;
}

export interface DataDescription {
  readonly label: string;
  /** Name of the application that the data belongs to. */
  readonly application: string;
  /** Can be read after a login only: the data stands in CDxx, not CFxx. */
  readonly secret: boolean;
  readonly fid: number | null;
}

export function encodeCertificateDescription(description: CertificateDescription): Uint8Array {
  const { label, id, authority, fid } = description;
  const attributes = [encodeTlv(0x04, id)];
  if (authority) attributes.push(encodeTlv(0x01, Uint8Array.of(0xff)));
  return encodeTlv(
    0x30,
    encodeTlv(0x30, text(label), encodeBits([1])),
    encodeTlv(0x30, ...attributes),
    encodeTypeAttributes(encodePath(fid)),
  );
}

/** @throws HsmError `TLV_INVALID` or `FILE_DESCRIPTION_INVALID` (check-failed) */
export function decodeCertificateDescription(bytes: Uint8Array): CertificateDescription {
  const [object, own, type] = partsOf(bytes, "certificate description");
  return {
    label: textOf(findTlv(object, 0x0c)),
    id: findTlv(own, 0x04)?.value ?? new Uint8Array(0),
    authority: (findTlv(own, 0x01)?.value[0] ?? 0) !== 0,
    fid: fidIn(type),
  };
}

export function encodeDataDescription({ label, application, secret, fid }: DataDescription): Uint8Array {
  const object = [text(label), encodeBits(secret ? [0, 1] : [1])];
  if (secret) object.push(encodeTlv(0x04, Uint8Array.of(0x01)));
  // Unlike in the other objects the path stands alone here, without a SEQUENCE around it.
  const path = encodeTlv(0xa1, encodePath(fid));
  return encodeTlv(0x30, encodeTlv(0x30, ...object), encodeTlv(0x30, text(application)), path);
}

/** @throws HsmError `TLV_INVALID` or `FILE_DESCRIPTION_INVALID` (check-failed) */
export function decodeDataDescription(bytes: Uint8Array): DataDescription {
  const [object, own, type] = partsOf(bytes, "data description");
  const flags = findTlv(object, 0x03);
  return {
    label: textOf(findTlv(object, 0x0c)),
    application: textOf(findTlv(own, 0x0c)),
    secret: flags !== undefined && decodeBits(flags.value).includes(0),
    fid: fidIn(type),
  };
}

function partsOf(bytes: Uint8Array, what: string): [readonly Tlv[], readonly Tlv[], readonly Tlv[]] {
  const outer = readTlv(bytes, what);
  const [object, own, ...rest] = outer.tag === 0x30 ? readTlvs(outer.value, what) : [];
  if (object?.tag !== 0x30 || own?.tag !== 0x30) {
    throw new HsmError("FILE_DESCRIPTION_INVALID", "check-failed", `${what}: its attributes are missing`);
  }
  const type = findTlv(rest, 0xa1);
  return [
    readTlvs(object.value, what),
    readTlvs(own.value, what),
    type === undefined ? [] : insideSequence(type, what),
  ];
}

/** A path may stand in a SEQUENCE of its own or not. */
function fidIn(type: readonly Tlv[]): number | null {
  const wrapped = findTlv(type, 0x30);
  const inner = wrapped === undefined ? type : readTlvs(wrapped.value, "path");
  const [high, low, more] = findTlv(inner, 0x04)?.value ?? [];
  return high === undefined || low === undefined || more !== undefined ? null : high * 256 + low;
}

function text(value: string): Uint8Array {
  return value === "" ? new Uint8Array(0) : encodeTlv(0x0c, utf8Bytes(value));
}

function textOf(object: Tlv | undefined): string {
  return object === undefined ? "" : (utf8Text(object.value) ?? "");
}
