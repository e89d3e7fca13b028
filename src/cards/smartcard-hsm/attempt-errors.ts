import { describeSw } from "../../apdu/status-word.ts";
import { isTransportFault, TransportError } from "../../apdu/transport-error.ts";
import { toHex } from "../../bytes/hex.ts";
import { HsmError } from "../../errors.ts";
import { optionBits } from "./application.ts";
import { type PinKind, pinName } from "./pins.ts";
import type { Session } from "./session.ts";
import type { PinState } from "./token-status.ts";

/** `1 try left`, `2 tries left`. */
export function triesText(tries: number): string {
  return `${tries} ${tries === 1 ? "try" : "tries"} left`;
}

/**
 * Why the SO-PIN that a token refused may be right and only be spelt otherwise: one sentence that gives nothing of it away.
 * @param soPin the 8 bytes that were sent
 */
function likelySpelling(soPin: Uint8Array): string {
  const letters = [...toHex(soPin)].some((digit) => digit > "9");
  return letters
    ? "an SO-PIN is 16 hex digits; this one has the letters A-F: if it was set by pkcs11-tool of OpenSC before 0.16, the token holds other bytes; `hsmadm so-pin explain` shows them"
    : "an SO-PIN is 16 hex digits; if it was set as 8 characters by another program, their ASCII codes are what to type; `hsmadm so-pin explain` shows them";
}

/** What is left to do when a PIN is blocked (reference 06, section 6.5). */
export function blockedAdvice(which: PinKind, options: number | null): string {
  if (which === "so-pin") {
    return "nothing unblocks an SO-PIN: keys stay usable while the user PIN works, but the token cannot be initialised or unblocked any more";
  }
  return options === null || (options & optionBits.pinReset) !== 0
    ? "`hsmadm pin unblock` resets it with the SO-PIN"
    : "this token was initialised without PIN reset: only `hsmadm device init` helps, and all keys on it are lost";
}

function blocked(session: Session, which: PinKind, message: string): HsmError {
  return new HsmError(which === "user-pin" ? "USER_PIN_BLOCKED" : "SO_PIN_BLOCKED", "blocked", message, {
    advice: blockedAdvice(which, session.application.options),
    token: session.token,
    triesLeft: 0,
    which,
  });
}

/** The card compared and said no. */
export function wrongPin(
  session: Session,
  { which, pin, triesLeft, cause }: { which: PinKind; pin: Uint8Array; triesLeft: number | null; cause?: unknown },
): HsmError {
  const { token } = session;
  if (triesLeft === 0) return blocked(session, which, `wrong ${pinName(which)} on ${token}, and it is blocked now`);
  const left = triesLeft === null ? "the tries left could not be read" : triesText(triesLeft);
  return new HsmError(
    which === "user-pin" ? "PIN_WRONG" : "SO_PIN_WRONG",
    "authentication",
    `wrong ${pinName(which)} on ${token} (${left})`,
    {
      advice:
        which === "so-pin"
          ? `${likelySpelling(pin)}; 15 wrong ones end the administration of the token for good`
          : "check with `hsmadm device list` that this is the right token; the same PIN will not be sent again",
      token,
      triesLeft: triesLeft ?? undefined,
      which,
      cause,
    },
  );
}

/** The state of the PIN forbids to present it. */
export function notSent(session: Session, which: PinKind, state: PinState): HsmError {
  const { token } = session;
  const name = pinName(which);
  const tail = `so the ${name} was NOT sent`;
  const options = { token, which };
  switch (state.state) {
    case "blocked":
      return blocked(session, which, `the ${name} of ${token} is blocked, ${tail}`);
    case "transport":
      return new HsmError("TRANSPORT_PIN", "refused", `${token} still has its transport PIN, ${tail}`, {
        ...options,
        advice: "`hsmadm pin change` replaces the transport PIN by your own",
      });
    case "uninitialised":
      return new HsmError("NOT_INITIALISED", "refused", `${token} was never initialised, ${tail}`, {
        ...options,
        advice: "`hsmadm device init` initialises it",
      });
    case "public-key":
      return new HsmError("PUBLIC_KEY_AUTHENTICATION", "not-supported", `${token} opens by registered keys, ${tail}`, {
        ...options,
        advice: "`hsmadm pka run … -- COMMAND` lets the custodians log in and runs a command of hsmadm so",
      });
    default:
      return new HsmError(
        "COUNTER_UNREADABLE",
        "refused",
        `${token} does not tell how many tries its ${name} has left (${describeSw(state.sw)}), ${tail}`,
        { ...options, advice: "take the token out and insert it again; `hsmadm doctor` shows what it answers" },
      );
  }
}

/** A failure would leave fewer tries than the operator wants to keep. */
export function tooFewTries(session: Session, which: PinKind, tries: number, floor: number): HsmError {
  const flag = which === "user-pin" ? "--min-tries" : "--min-so-tries";
  return new HsmError(
    "TRIES_FLOOR",
    "refused",
    `the ${pinName(which)} was NOT sent to ${session.token}: ${triesText(tries)}, and ${floor} must remain after a failure`,
    {
      advice: `be sure of the ${pinName(which)}, then cross the floor with \`${flag} ${Math.max(tries - 1, 0)}\``,
      token: session.token,
      triesLeft: tries,
      which,
    },
  );
}

/** The same value was refused last time and the counter has not moved since. */
export function refusedBefore(session: Session, which: PinKind, pin: Uint8Array, tries: number | null): HsmError {
  const left = tries === null ? "" : ` (${triesText(tries)})`;
  return new HsmError(
    "PIN_REFUSED_BEFORE",
    "refused",
    `${session.token} refused this very ${pinName(which)} last time, so it was NOT sent${left}`,
    {
      advice: which === "so-pin" ? likelySpelling(pin) : "use another PIN; `--no-ledger` sends it all the same",
      token: session.token,
      triesLeft: tries ?? undefined,
      which,
    },
  );
}

/** The command went out and no answer, or no sensible one, came back. The kind of the fault is kept. */
export function noAnswer(session: Session, which: PinKind, command: string, error: HsmError): HsmError {
  const message = `${error.message}; ${command} was under way, so a try of the ${pinName(which)} of ${session.token} may have been counted`;
  const options = {
    advice: `${error.advice === undefined ? "" : `${error.advice}; `}it was not sent again, \`hsmadm pin status\` reads the counter`,
    token: session.token,
    which,
    cause: error,
  };
  if (!isTransportFault(error)) return new HsmError(error.code, error.kind, message, options);
  const { layer, attempts, firstCause } = error;
  return new TransportError(error.code, message, { ...options, layer, attempts, firstCause });
}

/** Said by the host alone: these options do not allow what is asked. */
export function pinResetNotEnabled(session: Session, counterOnly: boolean): HsmError {
  const what = counterOnly ? "reset the counter without a new user PIN" : "reset the user PIN with the SO-PIN";
  return new HsmError(
    "PIN_RESET_NOT_ENABLED",
    "not-supported",
    `${session.token} was initialised without the right to ${what}, so the SO-PIN was NOT sent`,
    {
      advice: counterOnly
        ? "give a new user PIN with `--new-pin`"
        : "only `hsmadm device init` gives it a new user PIN, and all keys on it are lost: restore them from a backup",
      token: session.token,
    },
  );
}
