import { concat, utf8Bytes } from "../../../bytes/bytes.ts";
import { fromHex } from "../../../bytes/hex.ts";
import { encodeTlv } from "../../../bytes/tlv.ts";
import { type Curve, curveByName, curveNames } from "../../../crypto/curves/curves.ts";
import { cvcTags, ecdsaSha256Oid, rsaSha256Oid } from "../../../crypto/cvc/cvc.ts";
import { HsmError } from "../../../errors.ts";
import { algorithmIds } from "./algorithms.ts";
import { encodeKeyMetadata, largestUseCounter } from "./key-metadata.ts";

/** Sizes that OpenSC and the cards agree on; which of them a card has it says itself. */
export const rsaSizes = [1024, 1536, 2048, 3072, 4096] as const;
export const aesSizes = { 128: 0xb0, 192: 0xb1, 256: 0xb2 } as const;

export type KeyPairType =
  | { readonly kind: "rsa"; readonly bits: number }
  | { readonly kind: "ec"; readonly curve: string };

/** What a key may be used for and where it belongs: fixed for good when it is made. */
export interface KeyLimits {
  /** Algorithm identifiers, see `algorithmList`; absent: all that the key can do. */
  readonly algorithms?: readonly number[] | undefined;
  /** How often it may be used; absent: without limit. */
  readonly useCounter?: number | undefined;
  /** Key domain it is wrapped with; absent: the first, which is the DKEK of a token without key domains. */
  readonly domain?: number | undefined;
}

/** Certification authority reference in requests; OpenSC's, and nobody checks it. */
const requestCar = "UTCA00001";
const publicExponent = fromHex("010001");

/**
 * Data of GENERATE ASYMMETRIC KEY PAIR (reference 02, section 2.11).
 * @param chr holder reference for the request that comes back
 * @throws HsmError `KEY_TYPE_INVALID`, `KEY_LIMITS_INVALID` (usage)
 */
export function keyPairTemplate(type: KeyPairType, chr: string, limits: KeyLimits): Uint8Array {
  return concat(
    encodeTlv(cvcTags.profile, Uint8Array.of(0)),
    encodeTlv(cvcTags.car, utf8Bytes(requestCar)),
    type.kind === "rsa" ? rsaTemplate(type.bits) : ecTemplate(knownCurve(type.curve)),
    encodeTlv(cvcTags.chr, utf8Bytes(chr)),
    limitObjects(limits),
  );
}

/** Data of GENERATE SYMMETRIC KEY. A list is always sent, as CardContact's own programs do. */
export function aesTemplate(limits: KeyLimits): Uint8Array {
  return limitObjects({ ...limits, algorithms: limits.algorithms ?? defaultAesAlgorithms });
}

/**
 * What AES keys may do where nobody chose: what CardContact's programs give (encrypt, decrypt, CMAC, derive), and wrap,
 * without which a Pico HSM never lets the key into a backup.
 */
export const defaultAesAlgorithms: readonly number[] = [
  algorithmIds["aes-encrypt"],
  algorithmIds["aes-decrypt"],
  algorithmIds["aes-cmac"],
  algorithmIds["aes-derive"],
  algorithmIds.wrap,
];

/** @throws HsmError `KEY_TYPE_INVALID` (usage) */
export function knownCurve(name: string): Curve {
  const curve = curveByName(name);
  if (curve !== undefined) return curve;
  throw invalidType(`curve "${name}" is not known`, `known are ${curveNames.join(", ")}`);
}

function rsaTemplate(bits: number): Uint8Array {
  if (!rsaSizes.some((size) => size === bits)) {
    throw invalidType(`RSA keys of ${bits} bits are not supported`, `choose one of ${rsaSizes.join(", ")} bits`);
  }
  const size = Uint8Array.of(bits >> 8, bits & 0xff);
  return encodeTlv(
    cvcTags.publicKey,
    encodeTlv(0x06, fromHex(rsaSha256Oid)),
    encodeTlv(0x82, publicExponent),
    encodeTlv(0x02, size),
  );
}

/** The card takes whole parameters and recognises the curve; the public point (86) is what it will add. */
function ecTemplate(curve: Curve): Uint8Array {
  return encodeTlv(
    cvcTags.publicKey,
    encodeTlv(0x06, fromHex(ecdsaSha256Oid)),
    encodeTlv(0x81, curve.p),
    encodeTlv(0x82, curve.a),
    encodeTlv(0x83, curve.b),
    encodeTlv(0x84, curve.g),
    encodeTlv(0x85, curve.n),
    encodeTlv(0x87, Uint8Array.of(1)),
  );
}

function limitObjects({ algorithms, useCounter, domain }: KeyLimits): Uint8Array {
  if (
    useCounter !== undefined &&
    !(Number.isInteger(useCounter) && useCounter >= 1 && useCounter <= largestUseCounter)
  ) {
    throw invalidLimits(`a use counter is a whole number from 1 to ${largestUseCounter}, not ${useCounter}`);
  }
  if (domain !== undefined && !(Number.isInteger(domain) && domain >= 0 && domain <= 255)) {
    throw invalidLimits(`a key domain is a whole number from 0 to 255, not ${domain}`);
  }
  if (algorithms !== undefined && (algorithms.length === 0 || algorithms.length > 16)) {
    throw invalidLimits(`an algorithm list has 1 to 16 entries, not ${algorithms.length}`);
  }
  return encodeKeyMetadata({ usesLeft: useCounter ?? null, algorithms: algorithms ?? null, domain: domain ?? null });
}

function invalidType(problem: string, advice: string): HsmError {
  return new HsmError("KEY_TYPE_INVALID", "usage", problem, { advice });
}

function invalidLimits(problem: string): HsmError {
  return new HsmError("KEY_LIMITS_INVALID", "usage", problem, { advice: "nothing was sent to the token" });
}
