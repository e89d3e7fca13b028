import { utf8Bytes } from "../bytes/bytes.ts";
import { fromHex } from "../bytes/hex.ts";
import { encodeTlv } from "../bytes/tlv.ts";
import { type CvcPublicKey, cvcTags } from "../crypto/cvc/cvc.ts";
import { type CvcContent, type CvcSigner, encodePublicKey } from "../crypto/cvc/cvc-build.ts";
import { requireCurve } from "./ec-signing.ts";

/**
 * Requests and certificates in the spelling of a pico-hsm: domain parameters without leading zero bytes, so that `a` and
 * `b` of secp256k1 are one byte each (recordings 05 and 06).
 */
export function buildCompactCvc(content: CvcContent, sign: CvcSigner, extra: readonly Uint8Array[] = []): Uint8Array {
  const body = encodeTlv(
    cvcTags.body,
    encodeTlv(cvcTags.profile, Uint8Array.of(0)),
    encodeTlv(cvcTags.car, utf8Bytes(content.car)),
    compactPublicKey(content.publicKey),
    encodeTlv(cvcTags.chr, utf8Bytes(content.chr)),
    ...extra,
  );
  return encodeTlv(cvcTags.certificate, body, encodeTlv(cvcTags.signature, sign(body)));
}

function compactPublicKey(key: CvcPublicKey): Uint8Array {
  if (key.kind === "rsa" || key.curve === undefined) return encodePublicKey(key);
  const curve = requireCurve(key.curve);
  return encodeTlv(
    cvcTags.publicKey,
    encodeTlv(0x06, fromHex(key.oid)),
    encodeTlv(0x81, shortest(curve.p)),
    encodeTlv(0x82, shortest(curve.a)),
    encodeTlv(0x83, shortest(curve.b)),
    encodeTlv(0x84, curve.g),
    encodeTlv(0x85, shortest(curve.n)),
    encodeTlv(0x86, key.point),
    encodeTlv(0x87, Uint8Array.of(1)),
  );
}

function shortest(number: Uint8Array): Uint8Array {
  const first = number.findIndex((byte) => byte !== 0);
  return number.subarray(first < 0 ? number.length - 1 : first);
}
