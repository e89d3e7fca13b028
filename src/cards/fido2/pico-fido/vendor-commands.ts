import { concat } from "../../../bytes/bytes.ts";
import { type CborMap, type CborValue, cborMap } from "../cbor.ts";
import { CborFields } from "../cbor-fields.ts";

/** Commands under CTAPHID 41, and their subcommands (`pico-fido-vendor.md` section 4). */
export const vendorCommands = { backup: 0x01, keyAgreement: 0x02, unlock: 0x03 } as const;
export const backupParts = { save: 0x01, load: 0x02 } as const;

const cose = { kty: 1, alg: 3, crv: -1, x: -2, y: -3, ec2: 2, ecdhEsHkdf256: -25, p256: 1 } as const;
const coordinate = 32;

/** `{1: subcommand, 2: {1: bytes, 2: COSE key}}` */
export function vendorMap(subcommand: number, parameter?: CborMap): CborMap {
  return cborMap([0x01, subcommand], [0x02, parameter]);
}

export function bytesParameter(bytes: Uint8Array): CborMap {
  return cborMap([0x01, bytes]);
}

/** @param point uncompressed, 65 bytes */
export function keyParameter(point: Uint8Array): CborMap {
  const key: CborMap = new Map<number, number | Uint8Array>([
    [cose.kty, cose.ec2],
    [cose.alg, cose.ecdhEsHkdf256],
    [cose.crv, cose.p256],
    [cose.x, point.slice(1, 1 + coordinate)],
    [cose.y, point.slice(1 + coordinate)],
  ]);
  return cborMap([0x02, key]);
}

/** The token's point from the answer to the key agreement. @throws HsmError `CTAP_ANSWER_INVALID` */
export function agreedPoint(answer: CborValue): Uint8Array {
  const what = "the key agreement key of the token";
  const key = new CborFields(new CborFields(answer, what).map(0x01), what);
  return concat(Uint8Array.of(4), key.bytes(cose.x, coordinate), key.bytes(cose.y, coordinate));
}

/** What BACKUP gives: 60 bytes, or none where the token has no key to give. */
export function savedBlob(answer: CborValue): Uint8Array {
  return new CborFields(answer, "the answer to BACKUP save").bytes(0x01);
}
