import { parseKeyCertificate } from "../../cards/smartcard-hsm/keys/public-key.ts";
import { keyName, type TokenKey } from "../../cards/smartcard-hsm/keys/token-key.ts";
import type { SmartCardHsm } from "../../cards/smartcard-hsm/smartcard-hsm.ts";
import { HsmError } from "../../errors.ts";
import { findAttestation } from "../certificates/attestations.ts";
import type { KeyAttestation } from "./attestation-file.ts";

/**
 * Collects what proves where a key was made; reads only. Also where a certificate has taken the request's place in the
 * key's file, when it was kept.
 * @throws HsmError `ATTESTATION_MISSING` (not-supported), `DEVICE_CERTIFICATE_MISSING` (not-supported)
 */
export async function attestKey(
  card: Pick<SmartCardHsm, "listFiles" | "readFile" | "evidence">,
  key: TokenKey,
  token: string,
): Promise<KeyAttestation> {
  const { certificates } = await card.evidence();
  if (certificates === null) {
    throw new HsmError("DEVICE_CERTIFICATE_MISSING", "not-supported", `${token} has no certificate to vouch with`, {
      token,
    });
  }
  const found = await findAttestation(card, key);
  if (found === null) {
    throw new HsmError("ATTESTATION_MISSING", "not-supported", `${keyName(key)} on ${token} has no attestation`, {
      advice: "keys that were imported have none, and other programs overwrite it with the certificate they store",
      token,
    });
  }
  const { raw } = parseKeyCertificate(found.request);
  const issuers = certificates.others.filter(({ car, chr }) => car !== chr);
  return { request: raw, certificates: [certificates.device.raw, ...issuers.map((each) => each.raw)] };
}
