import { concat, utf8Bytes } from "../../../bytes/bytes.ts";
import { fromHex } from "../../../bytes/hex.ts";
import { encodeTlv } from "../../../bytes/tlv.ts";
import { ctapStatus, refuseCtap } from "../ctap-status.ts";
import type { Device } from "../device.ts";
import { signEs256 } from "../p256.ts";
import { type KeyAgreement, keyAgreementOf } from "../pin-protocol.ts";

const commonName = fromHex("0603550403");
const ecPublicKeyP256 = fromHex("301306072A8648CE3D020106082A8648CE3D030107");
const ecdsaWithSha256 = fromHex("300A06082A8648CE3D040302");

/**
 * PKCS#10 in DER for the device key, which is taken for a P-256 scalar.
 * @throws CtapRefusal 21 where no device key lies in the open, or it is no scalar
 */
export function certificateRequest({ state, world }: Device): Uint8Array {
  const keys = keyPairOf(state.masterKey);
  const name = encodeTlv(0x31, encodeTlv(0x30, commonName, encodeTlv(0x0c, utf8Bytes("hsmadm simulated"))));
  const publicKey = encodeTlv(0x30, ecPublicKeyP256, encodeTlv(0x03, Uint8Array.of(0), keys.point));
  const info = encodeTlv(0x30, fromHex("020100"), encodeTlv(0x30, name), publicKey, encodeTlv(0xa0));
  const signature = encodeTlv(0x03, concat(Uint8Array.of(0), signEs256(keys.scalar, info, world)));
  return encodeTlv(0x30, info, ecdsaWithSha256, signature);
}

function keyPairOf(scalar: Uint8Array): KeyAgreement {
  try {
    return keyAgreementOf(scalar);
  } catch {
    return refuseCtap(ctapStatus.processing);
  }
}
