import type { CardCommand } from "../../apdu/card-command.ts";
import { SW, triesLeftIn } from "../../apdu/status-word.ts";
import { concat } from "../../bytes/bytes.ts";
import type { PinKind } from "./pins.ts";
import type { PinState, PinStateName } from "./token-status.ts";

/** References of the PINs in P2 (reference 02, section 2.6). */
export const pinReference = { "user-pin": 0x81, "so-pin": 0x88 } as const satisfies Record<PinKind, number>;

/**
 * Asks for the state of a PIN: VERIFY without data, 4 bytes (case 1). It costs no try.
 * @param oldCard v1.x, whose 6984 says "never initialised" and not "transport PIN"
 */
export function queryPin(which: PinKind, oldCard = false): CardCommand<PinState> {
  return {
    name: "VERIFY",
    apdu: { cla: 0x00, ins: 0x20, p1: 0x00, p2: pinReference[which] },
    parse: ({ sw }) => pinStateOf(which, sw, oldCard),
  };
}

/** What the answer to {@link queryPin} says. Only 63Cx carries a counter: masking 6983 would read as "3 tries left". */
export function pinStateOf(which: PinKind, sw: number, oldCard = false): PinState {
  const tries = triesLeftIn(sw);
  if (tries !== undefined) return { state: tries === 0 ? "blocked" : "ready", triesLeft: tries, sw };
  const named = (state: PinStateName, triesLeft: number | null = null): PinState => ({ state, triesLeft, sw });
  switch (sw) {
    case SW.ok:
      return named("verified");
    case SW.authenticationBlocked:
      return named("blocked", 0);
    case SW.referenceDataNotUsable:
      return named(which === "so-pin" || oldCard ? "uninitialised" : "transport");
    case SW.referencedDataNotFound:
      return named("uninitialised");
    case SW.verificationFailed:
      return named(which === "user-pin" ? "public-key" : "unreadable");
    default:
      return named("unreadable");
  }
}

/** A command that presents a PIN: its result is the status word, which `attempt.ts` judges with the counter in hand. */
export type AttemptCommand = CardCommand<number> & {
  readonly name: "VERIFY" | "CHANGE REFERENCE DATA" | "RESET RETRY COUNTER" | "INITIALIZE DEVICE";
};

const statusWord = ({ sw }: { readonly sw: number }): number => sw;

export function verifyPin(which: PinKind, pin: Uint8Array): AttemptCommand {
  const apdu = { cla: 0x00, ins: 0x20, p1: 0x00, p2: pinReference[which], data: pin };
  return { name: "VERIFY", apdu, parse: statusWord };
}

/** Old and new value without a separator: the card knows how long the old one is. */
export function changePin(which: PinKind, current: Uint8Array, next: Uint8Array): AttemptCommand {
  const apdu = { cla: 0x00, ins: 0x24, p1: 0x00, p2: pinReference[which], data: concat(current, next) };
  return { name: "CHANGE REFERENCE DATA", apdu, parse: statusWord };
}

/** P1 00 sets a new user PIN, P1 01 resets its counter only. The SO-PIN is presented either way. */
export function resetRetryCounter(soPin: Uint8Array, next?: Uint8Array): AttemptCommand {
  const data = next === undefined ? soPin : concat(soPin, next);
  const apdu = { cla: 0x00, ins: 0x2c, p1: next === undefined ? 0x01 : 0x00, p2: pinReference["user-pin"], data };
  return { name: "RESET RETRY COUNTER", apdu, parse: statusWord };
}
