import { concat, utf8Bytes } from "../../bytes/bytes.ts";
import { fromHex } from "../../bytes/hex.ts";
import { encodeTlv } from "../../bytes/tlv.ts";
import { HsmError } from "../../errors.ts";
import { curveByName } from "../curves/curves.ts";
import { type CvcPublicKey, cvcTags } from "./cvc.ts";

/** What a certificate says. Fields as in `Cvc`; those left out are not written. */
export interface CvcContent {
  readonly car: string;
  readonly chr: string;
  /** A `curve` is written out as its domain parameters; without one they are inherited from the issuer. */
  readonly publicKey: CvcPublicKey;
  readonly role?: number | undefined;
  /** `YYYY-MM-DD`, 2000-2099. */
  readonly effective?: string | undefined;
  readonly expiry?: string | undefined;
  /** Content of tag 65, ready encoded. */
  readonly extensions?: Uint8Array | undefined;
}

/** Signs the bytes it is given; the result is put into the certificate as it is (plain `r ‖ s` or PKCS#1). */
export type CvcSigner = (signedPart: Uint8Array) => Uint8Array;

/** OID of the role (1.3.6.1.4.1.24991.3.1.1), DER value. */
const roleOid = fromHex("2B0601040181C31F030101");

/** A certificate or request (tag `7F21`). The signer is given the complete `7F4E` object. */
export function buildCvc(content: CvcContent, sign: CvcSigner): Uint8Array {
  const { car, chr, role, effective, expiry, extensions } = content;
  const fields = [
    encodeTlv(cvcTags.profile, Uint8Array.of(0)),
    encodeTlv(cvcTags.car, utf8Bytes(car)),
    encodePublicKey(content.publicKey),
    encodeTlv(cvcTags.chr, utf8Bytes(chr)),
  ];
  if (role !== undefined) {
    fields.push(encodeTlv(cvcTags.chat, encodeTlv(0x06, roleOid), encodeTlv(0x53, Uint8Array.of(role))));
  }
  if (effective !== undefined) fields.push(encodeTlv(cvcTags.effective, dateDigits(effective)));
  if (expiry !== undefined) fields.push(encodeTlv(cvcTags.expiry, dateDigits(expiry)));
  if (extensions !== undefined) fields.push(encodeTlv(cvcTags.extensions, extensions));
  const body = encodeTlv(cvcTags.body, ...fields);
  return encodeTlv(cvcTags.certificate, body, encodeTlv(cvcTags.signature, sign(body)));
}

/**
 * An authenticated request (tag `67`).
 * @param request the inner `7F21` object
 * @param outerCar CHR of the signing (device) key
 * @param sign given the request followed by the outer `42` object
 */
export function buildAuthenticatedRequest(request: Uint8Array, outerCar: string, sign: CvcSigner): Uint8Array {
  const signedPart = concat(request, encodeTlv(cvcTags.car, utf8Bytes(outerCar)));
  return encodeTlv(cvcTags.authenticatedRequest, signedPart, encodeTlv(cvcTags.signature, sign(signedPart)));
}

/** The public key template (tag `7F49`). */
export function encodePublicKey(key: CvcPublicKey): Uint8Array {
  const algorithm = encodeTlv(0x06, fromHex(key.oid));
  if (key.kind === "rsa") {
    return encodeTlv(cvcTags.publicKey, algorithm, encodeTlv(0x81, key.modulus), encodeTlv(0x82, key.exponent));
  }
  const point = encodeTlv(0x86, key.point);
  if (key.curve === undefined) return encodeTlv(cvcTags.publicKey, algorithm, point);
  const curve = curveByName(key.curve);
  if (curve === undefined) throw invalid(`curve ${key.curve} is not known`);
  return encodeTlv(
    cvcTags.publicKey,
    algorithm,
    encodeTlv(0x81, curve.p),
    encodeTlv(0x82, curve.a),
    encodeTlv(0x83, curve.b),
    encodeTlv(0x84, curve.g),
    encodeTlv(0x85, curve.n),
    point,
    encodeTlv(0x87, Uint8Array.of(1)),
  );
}

function dateDigits(date: string): Uint8Array {
  const [, digits] = /^20(\d\d-\d\d-\d\d)$/.exec(date) ?? [];
  if (digits === undefined) throw invalid(`${date} is not a date YYYY-MM-DD between 2000 and 2099`);
  return Uint8Array.from(digits.replaceAll("-", ""), Number);
}

function invalid(problem: string): HsmError {
  return new HsmError("CVC_INVALID", "unexpected", `certificate to be made: ${problem}`);
}
