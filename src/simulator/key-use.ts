import { SW } from "../apdu/status-word.ts";
import { type Card, refuse, requireLogin } from "./card.ts";
import type { StoredKey } from "./token-state.ts";

/**
 * The key for an operation, when its rules allow it.
 * @throws Refusal when not logged in, no such key, algorithm not in its list, or all uses are used up
 */
export function keyFor(card: Card, id: number, algorithm: number): StoredKey {
  const key = permittedKey(card, id, algorithm);
  if (key.rules.usesLeft === 0) refuse(card.profile.sw.counterUsedUp);
  return key;
}

/** The key for what costs no use. @throws Refusal as {@link keyFor}, but for used up uses */
export function permittedKey(card: Card, id: number, algorithm: number): StoredKey {
  requireLogin(card);
  const key = card.state.keys.get(id) ?? refuse(card.profile.sw.noKey);
  const { algorithms } = key.rules;
  if (algorithms.length > 0 && !algorithms.includes(algorithm)) refuse(card.profile.sw.algorithmNotAllowed);
  return key;
}

/** Counts one use, after it succeeded. */
export function countUse(card: Card, key: StoredKey): void {
  if (key.rules.usesLeft === undefined) return;
  key.rules.usesLeft -= 1;
  card.changed();
}

/** Runs an OpenSSL operation on data from the host: what it does not take is the host's fault. */
export function orMalformed<Result>(card: Card, work: () => Result): Result {
  try {
    return work();
  } catch {
    return refuse(card.profile.name === "pico" ? SW.wrongLength : SW.wrongData);
  }
}
