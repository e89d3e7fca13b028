import { keyName, type TokenKey } from "../../cards/smartcard-hsm/keys/token-key.ts";
import {
  type CustodianCredentials,
  custodianMessage,
} from "../../cards/smartcard-hsm/public-key-authentication/public-key-authentication.ts";
import type { SmartCardHsm } from "../../cards/smartcard-hsm/smartcard-hsm.ts";
import { curveByName } from "../../crypto/curves/curves.ts";
import { derToPlain } from "../../crypto/curves/ecdsa.ts";
import { parseAuthenticatedRequest } from "../../crypto/cvc/cvc.ts";
import { HsmError } from "../../errors.ts";
import { findAttestation } from "../certificates/attestations.ts";
import { credentialsOf } from "./custodian-file.ts";
import type { LoginAnswer, LoginChallenge } from "./login-files.ts";

/** A key on a custodian's token that can stand in a register. */
export interface CustodianKey {
  readonly key: TokenKey;
  /** Holder reference of its request: what the register knows it by. */
  readonly chr: string;
}

type Reader = Pick<SmartCardHsm, "listFiles" | "readFile">;

/**
 * The holder reference a key is registered under; `null` for one that has no request (imported, or overwritten).
 */
export async function custodianKey(card: Reader, key: TokenKey): Promise<CustodianKey | null> {
  if (key.kind !== "ec") return null;
  const found = await findAttestation(card, key);
  if (found === null) return null;
  try {
    return { key, chr: parseAuthenticatedRequest(found.request).request.chr };
  } catch (error) {
    if (error instanceof HsmError) return null;
    throw error;
  }
}

/**
 * What is to be registered of a key, from the token it is on. Needs no login.
 * @throws HsmError `PKA_KEY_UNSUITABLE` (not-supported)
 */
export async function custodianCredentials(
  card: Reader & Pick<SmartCardHsm, "evidence">,
  key: TokenKey,
  token: string,
): Promise<CustodianCredentials> {
  const unsuitable = (why: string) =>
    new HsmError("PKA_KEY_UNSUITABLE", "not-supported", `${keyName(key)} on ${token} cannot be registered: ${why}`, {
      advice: "make an EC key on the custodian's token: `hsmadm key generate --type ec:brainpoolP256r1`",
      token,
    });
  if (key.kind !== "ec") throw unsuitable("only EC keys log in");
  const found = await findAttestation(card, key);
  if (found === null) throw unsuitable("its request is not there any more");
  const { certificates } = await card.evidence();
  if (certificates === null) throw unsuitable("the token has no device certificate");
  const request = parseAuthenticatedRequest(found.request);
  return credentialsOf(found.request, request, [certificates.device, ...certificates.others]);
}

/** Signs a challenge with a custodian's key, which needs a login on the custodian's token. */
export async function answerChallenge(
  card: Pick<SmartCardHsm, "sign">,
  { key, chr }: CustodianKey,
  { device, challenge }: Pick<LoginChallenge, "device" | "challenge">,
): Promise<LoginAnswer> {
  const curve = key.curve === null ? undefined : curveByName(key.curve);
  if (curve === undefined) {
    throw new HsmError("PKA_KEY_UNSUITABLE", "not-supported", `${keyName(key)} does not tell its curve`);
  }
  const signature = await card.sign(key, { scheme: "ecdsa", hash: "sha256" }, custodianMessage(device, challenge));
  return { device, challenge, custodian: chr, signature: derToPlain(signature, curve.orderBytes) };
}
