import { SW } from "../../apdu/status-word.ts";
import { type Card, type CommandHandler, dataOf, ok, refuse } from "../card.ts";
import { beforePresenting, isRight, logIn, soPinLength, triesLeft, userPinLength, wrongPin } from "../pin.ts";
import { options } from "../token-state.ts";

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
  if (which === "user") refuseUnusableUserPin(card, data.length > 0);
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

function refuseUnusableUserPin(card: Card, presenting: boolean): void {
  const { state, profile } = card;
  if (state.transportPin) refuse(SW.referenceDataNotUsable);
  if (state.publicKeys === null || profile.name === "pico") return;
  const combined = (state.options & options.combined) !== 0;
  // Keys log in instead of the PIN (6300), or both must: registering keys is for a later version of the simulator.
  if (presenting) refuse(SW.conditionsNotSatisfied);
  if (!combined) refuse(SW.verificationFailed);
}
