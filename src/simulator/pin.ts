import { timingSafeEqual } from "node:crypto";
import { SW } from "../apdu/status-word.ts";
import { type Card, refuse } from "./card.ts";
import { keysComplete } from "./public-key-login.ts";
import type { StoredPin } from "./token-state.ts";

/** Tries of the SO-PIN, fixed (reference 06 section 6.3). */
export const soPinTries = 15;
export const soPinLength = 8;
export const userPinLength = { min: 6, max: 16 } as const;

/**
 * Presents a PIN. The counter goes down and is saved *before* the comparison, so that cutting the power never gives a
 * try for nothing; it comes back when the PIN was right.
 * @throws Refusal 6983 when no try is left
 */
export async function isRight(card: Card, pin: StoredPin, presented: Uint8Array): Promise<boolean> {
  if (pin.triesLeft === 0) refuse(SW.authenticationBlocked);
  pin.triesLeft -= 1;
  card.changed();
  await card.save();
  if (presented.length !== pin.value.length || !timingSafeEqual(presented, pin.value)) return false;
  pin.triesLeft = pin.tries;
  card.changed();
  return true;
}

/** The status word after a wrong PIN. */
export function wrongPin(card: Card, pin: StoredPin): number {
  return pin.triesLeft === 0 && card.profile.lastTryAnswersBlocked ? SW.authenticationBlocked : 0x63c0 + pin.triesLeft;
}

/** The answer to a status query, where nothing special applies. */
export function triesLeft(pin: StoredPin): number {
  return pin.triesLeft === 0 ? SW.authenticationBlocked : 0x63c0 + Math.min(pin.triesLeft, 15);
}

export function storedPin(value: Uint8Array, tries: number): StoredPin {
  return { value: value.slice(), tries, triesLeft: tries };
}

/** @throws Refusal 6A80 where the card checks it */
export function checkNewUserPin(card: Card, pin: Uint8Array): void {
  const { min, max } = userPinLength;
  const tooLong = pin.length > max;
  if (tooLong || pin.length === 0 || (card.profile.checksPinRules && pin.length < min))
    refuse(card.profile.sw.malformed);
}

/** Most tries for a user PIN of this length (reference 02 section 2.9, tag 91). */
export function mostTries(length: number): number {
  if (length <= 6) return 3;
  return length === 7 ? 5 : 10;
}

/** Ends the logins that presenting a PIN ends. */
export function beforePresenting(card: Card, which: "user" | "so"): void {
  if (which === "user" || card.profile.oneLogin) {
    card.session.userLogin = false;
    card.session.pinVerified = false;
  }
  if (which === "so" || card.profile.oneLogin) card.session.soLogin = false;
}

export function logIn(card: Card, which: "user" | "so"): void {
  if (which === "so") card.session.soLogin = true;
  if (which === "so" && !card.profile.oneLogin) return;
  // A pico's one flag: set by either PIN, unless keys have to log in. There the keys' own login ends with the old one.
  const keysLetIn = card.profile.name === "genuine" && keysComplete(card);
  card.session.userLogin = card.state.publicKeys === null || keysLetIn;
  card.session.pinVerified = true;
}
