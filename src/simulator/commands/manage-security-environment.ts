import { SW } from "../../apdu/status-word.ts";
import { asciiText } from "../../bytes/bytes.ts";
import { toHex } from "../../bytes/hex.ts";
import { findTlv, readTlvs, type Tlv } from "../../bytes/tlv.ts";
import { type Card, type CommandHandler, dataOf, ok, refuse } from "../card.ts";
import { knownHolder } from "../certificate-holders.ts";
import { requireKeyLogin } from "../public-key-login.ts";

const holderName = 0x83;
const mechanism = 0x80;
/** id-CA-ECDH-AES-CBC-CMAC-128. The 3DES variant is not simulated. */
export const chipAuthenticationAes = "04007F00070202030202";

/**
 * MANAGE SECURITY ENVIRONMENT (reference 02 sections 2.18, 2.19): the certificate holder whose key verifies next (B6), the
 * registered key that answers next (81 A4), or chip authentication (41 A4).
 */
export const manageSecurityEnvironment: CommandHandler = (card, command) => {
  const { p1, p2 } = command;
  if ((p1 & 0x01) === 0 || (p2 !== 0xb6 && p2 !== 0xa4)) refuse(SW.wrongP1P2);
  const objects = readTlvs(dataOf(command), "MANAGE SECURITY ENVIRONMENT");
  if (findTlv(objects, holderName) === undefined && p2 === 0xa4) {
    selectMechanism(card, objects);
    return ok();
  }
  const chr = nameIn(card, objects);
  if (p2 === 0xb6) {
    card.session.keyLogin.signer = null;
    card.session.keyLogin.signer = knownHolder(card, chr) ?? refuse(SW.referencedDataNotFound);
  } else {
    selectRegisteredKey(card, chr);
  }
  return ok();
};

function selectMechanism(card: Card, objects: readonly Tlv[]): void {
  const oid = findTlv(objects, mechanism)?.value;
  const known = oid !== undefined && toHex(oid) === chipAuthenticationAes;
  card.session.chipAuthentication = known;
  // A pico passes over what it does not know.
  if (!known && card.profile.name === "genuine") {
    refuse(oid === undefined ? card.profile.sw.malformed : SW.referencedDataNotFound);
  }
}

function selectRegisteredKey(card: Card, chr: string): void {
  const { keyLogin } = card.session;
  const { registered } = requireKeyLogin(card, SW.referencedDataNotFound);
  keyLogin.answering = null;
  const index = registered.findIndex((key) => key.chr === chr);
  if (index < 0) refuse(SW.referencedDataNotFound);
  keyLogin.answering = index;
  if (keyLogin.answered.has(index)) refuse(SW.conditionsNotSatisfied);
}

function nameIn(card: Card, objects: readonly Tlv[]): string {
  const value = findTlv(objects, holderName)?.value;
  const name = value === undefined ? null : asciiText(value);
  return name === null || name.length === 0 ? refuse(card.profile.sw.malformed) : name;
}
