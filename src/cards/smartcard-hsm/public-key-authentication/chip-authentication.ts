import { createHash, randomBytes } from "node:crypto";
import { bigEndian, concat, equal } from "../../../bytes/bytes.ts";
import { fromHex, hexNumber } from "../../../bytes/hex.ts";
import { encodeTlv } from "../../../bytes/tlv.ts";
import { aesCmac } from "../../../crypto/aes-cmac.ts";
import { curveByName } from "../../../crypto/curves/curves.ts";
import type { CvcPublicKey } from "../../../crypto/cvc/cvc.ts";
import { ephemeralAgreement } from "../../../crypto/vault/curve-agreement.ts";
import { HsmError } from "../../../errors.ts";
import { isOnCurve } from "../keys/public-key.ts";
import type { Session } from "../session.ts";
import {
  type ChipAuthenticationAnswer,
  generalAuthenticate,
  selectChipAuthentication,
} from "./authentication-commands.ts";

/**
 * - `proved`: the card has the private key of its device certificate, now
 * - `not-proved`: it does not offer a proof; nothing is known either way
 * - `failed`: it answered, and without that key: the certificate was copied from another device
 */
export type PossessionProof =
  | { readonly status: "proved" }
  | { readonly status: "not-proved"; readonly reason: string }
  | { readonly status: "failed"; readonly reason: string };

/** id-CA-ECDH-AES-CBC-CMAC-128 (BSI TR-03110-3), DER value. */
const oid = fromHex("04007F00070202030202");
/** Curve of device keys whose certificate inherits it. */
const deviceCurve = "brainpoolP256r1";
const tokenBytes = 8;

/**
 * Chip authentication as far as the card's token, without the secure channel behind it (reference 07, section 7.4): only
 * who has the device's private key agrees with our ephemeral key. Needs no login and ends every login there was: the
 * applet is selected again, so that no card waits for secure messaging.
 */
export async function proveDeviceKey(
  session: Session,
  key: CvcPublicKey,
  random: (length: number) => Uint8Array = (length) => new Uint8Array(randomBytes(length)),
): Promise<PossessionProof> {
  if (key.kind !== "ec" || key.unknownCurve === true)
    return { status: "not-proved", reason: "its key is on no known curve" };
  const curve = curveByName(key.curve ?? deviceCurve);
  if (curve === undefined || !isOnCurve(curve, key.point)) {
    return { status: "not-proved", reason: "its key is no point of a known curve" };
  }
  try {
    if (!(await session.send(selectChipAuthentication(oid)))) {
      return { status: "not-proved", reason: "the token does not offer chip authentication" };
    }
    const { enc, x } = ephemeralAgreement(curve, key.point, random);
    const answer = await session.send(generalAuthenticate(enc));
    if (typeof answer === "number") {
      return { status: "not-proved", reason: `the token broke off chip authentication (SW ${hexNumber(answer, 4)})` };
    }
    return judge(answer, x, enc);
  } catch (error) {
    if (error instanceof HsmError && error.code === "TLV_INVALID") {
      return { status: "failed", reason: "its answer to chip authentication cannot be read" };
    }
    throw error;
  } finally {
    await session.select();
  }
}

function judge({ nonce, token }: ChipAuthenticationAnswer, secret: Uint8Array, ephemeral: Uint8Array): PossessionProof {
  const expected = chipAuthenticationToken(secret, nonce, ephemeral);
  return equal(expected, token)
    ? { status: "proved" }
    : { status: "failed", reason: "it does not have the private key of its device certificate" };
}

/**
 * The token that proves the agreement.
 * @param secret X coordinate of the shared point
 */
export function chipAuthenticationToken(secret: Uint8Array, nonce: Uint8Array, ephemeral: Uint8Array): Uint8Array {
  // Counter 2 derives the key of the MAC (TR-03110-3, section A.2.3).
  const macKey = createHash("sha1")
    .update(concat(secret, nonce, bigEndian(2, 4)))
    .digest()
    .subarray(0, 16);
  const covered = encodeTlv(0x7f49, encodeTlv(0x06, oid), encodeTlv(0x86, ephemeral));
  return aesCmac(new Uint8Array(macKey), covered).subarray(0, tokenBytes);
}
