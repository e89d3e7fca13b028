import { SW } from "../../apdu/status-word.ts";
import { type Card, type CommandHandler, dataOf, ok, refuse } from "../card.ts";
import {
  beforePresenting,
  checkNewUserPin,
  isRight,
  logIn,
  soPinLength,
  triesLeft,
  userPinLength,
  wrongPin,
} from "../pin.ts";
import { options, type StoredPin } from "../token-state.ts";
import { soPinReference, userPinReference } from "./verify.ts";

/** CHANGE REFERENCE DATA: old value and new one without a separator (reference 02 section 2.7). */
export const changeReferenceData: CommandHandler = async (card, command) => {
  const { p1, p2 } = command;
  const data = dataOf(command);
  if (p1 !== 0) refuse(card.profile.name === "pico" ? SW.offsetOutside : SW.wrongP1P2);
  if (p2 !== userPinReference && p2 !== soPinReference) refuse(SW.referencedDataNotFound);
  const which = p2 === userPinReference ? "user" : "so";
  const pin = (which === "user" ? card.state.userPin : card.state.soPin) ?? refuse(SW.referencedDataNotFound);
  if (pin.triesLeft === 0) refuse(SW.authenticationBlocked);
  const next = data.subarray(pin.value.length);
  if (data.length <= pin.value.length || next.length > userPinLength.max) refuse(card.profile.sw.malformed);
  if (which === "user") checkNewUserPin(card, next);
  else if (next.length !== soPinLength) refuse(card.profile.sw.malformed);
  const wasLoggedIn = which === "user" ? card.session.userLogin : card.session.soLogin;
  beforePresenting(card, which);
  if (!(await isRight(card, pin, data.subarray(0, pin.value.length)))) refuse(wrongPin(card, pin));
  pin.value = next.slice();
  // A pico never clears its transport flag (reference 01 section 1.4).
  if (which === "user" && card.profile.name === "genuine") card.state.transportPin = false;
  if (wasLoggedIn || card.profile.oneLogin) logIn(card, which);
  card.changed();
  return ok();
};

/** RESET RETRY COUNTER: P1 says whether the SO-PIN and a new PIN are in the data (reference 02 section 2.8). */
export const resetRetryCounter: CommandHandler = async (card, command) => {
  const { p1, p2 } = command;
  const data = dataOf(command);
  if (p2 !== userPinReference) refuse(card.profile.sw.wrongReference);
  if (p1 > 3) refuse(SW.wrongP1P2);
  const soPin = card.state.soPin ?? refuse(SW.referencedDataNotFound);
  const withSoPin = p1 < 2;
  const withNewPin = p1 === 0 || p1 === 2;
  const needed = options.resetRetryCounter | (withNewPin ? 0 : options.resetOnly);
  if ((card.state.options & needed) !== needed) refuse(card.profile.sw.optionNotSet);
  const userPin = card.state.userPin ?? refuse(SW.referencedDataNotFound);
  const newPin = data.subarray(withSoPin ? soPinLength : 0);
  if (withSoPin && data.length < soPinLength) refuse(SW.wrongLength);
  if (withNewPin) checkNewUserPin(card, newPin);
  else if (newPin.length > 0) refuse(SW.wrongLength);
  if (withSoPin) await presentSoPin(card, soPin, data.subarray(0, soPinLength));
  else if (!card.session.soLogin) refuse(card.profile.sw.soPinNotVerified);
  if (withNewPin) userPin.value = newPin.slice();
  userPin.triesLeft = userPin.tries;
  if (!card.profile.oneLogin) card.session.userLogin = false;
  card.changed();
  return ok();
};

async function presentSoPin(card: Card, soPin: StoredPin, value: Uint8Array): Promise<void> {
  if (soPin.triesLeft === 0) refuse(triesLeft(soPin));
  beforePresenting(card, "so");
  if (!(await isRight(card, soPin, value))) refuse(wrongPin(card, soPin));
  if (card.profile.oneLogin) logIn(card, "so");
}
