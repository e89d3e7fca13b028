import { SW } from "../../apdu/status-word.ts";
import { type Card, type CommandHandler, dataOf, ok, refuse } from "../card.ts";
import { beforePresenting, isRight, logIn, soPinLength, triesLeft, userPinLength, wrongPin } from "../pin.ts";
import { keysComplete, pinIsWantedToo } from "../public-key-login.ts";

export const userPinReference = 0x81;
export const soPinReference = 0x88;

/** VERIFY with a PIN, or without data the status query that changes nothing (reference 02 section 2.6). */
export const verify: CommandHandler = async (card, command) => {
  const { p1, p2 } = command;
  const data = dataOf(command);
  if (p1 !== 0) refuse(card.profile.name === "pico" ? SW.offsetOutside : SW.wrongP1P2);
  if (card.profile.name === "pico" && (p2 & 0x60) !== 0) refuse(SW.offsetOutside);
  // 85 and 86 are biometric templates: any other answer than 6A88 makes OpenSC believe in a PIN pad.
  if (p2 !== userPinReference && p2 !== soPinReference) refuse(SW.referencedDataNotFound);
  const which = p2 === userPinReference ? "user" : "so";
  if (which === "user") {
    if (card.state.transportPin) refuse(SW.referenceDataNotUsable);
    if (keysStandBefore(card, data.length > 0)) return ok();
  }
  const pin = (which === "user" ? card.state.userPin : card.state.soPin) ?? refuse(SW.referencedDataNotFound);
  if (data.length === 0) {
    if (which === "user" ? card.session.userLogin : card.session.soLogin) return ok();
    refuse(triesLeft(pin));
  }
  const lengthFits = which === "user" ? data.length >= userPinLength.min : data.length === soPinLength;
  if (card.profile.checksPinRules && (!lengthFits || data.length > userPinLength.max)) refuse(SW.wrongData);
  beforePresenting(card, which);
  if (!(await isRight(card, pin, data))) refuse(wrongPin(card, pin));
  logIn(card, which);
  return ok();
};

/**
 * Where keys log in, a genuine token has no use for the PIN (6300, or 9000 once they have), or wants it only after them.
 * @returns whether the status query is answered by the keys alone
 */
function keysStandBefore(card: Card, presenting: boolean): boolean {
  if (card.state.publicKeys === null || card.profile.name === "pico") return false;
  if (pinIsWantedToo(card)) {
    if (presenting && !keysComplete(card)) refuse(SW.conditionsNotSatisfied);
    return false;
  }
  if (presenting) refuse(SW.conditionsNotSatisfied);
  return card.session.userLogin || refuse(SW.verificationFailed);
}
