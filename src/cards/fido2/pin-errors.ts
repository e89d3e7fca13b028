import { isTransportFault, TransportError } from "../../apdu/transport-error.ts";
import { HsmError } from "../../errors.ts";
import type { PinRetries } from "./client-pin.ts";
import { ctapError, ctapStatus } from "./ctap-status.ts";

function tries(count: number): string {
  return `${count} ${count === 1 ? "try" : "tries"} left`;
}

/** The counter alone forbids to send a PIN; `undefined` when it does not. */
export function refusedByCounter(token: string, counter: PinRetries, minTries: number): HsmError | undefined {
  const { retries, powerCycle } = counter;
  if (retries === 0) return ctapError(ctapStatus.pinBlocked, "the PIN", { token, triesLeft: 0 });
  if (powerCycle) return ctapError(ctapStatus.pinAuthBlocked, "the PIN", { token, triesLeft: retries });
  if (retries - 1 >= minTries) return undefined;
  return new HsmError(
    "TRIES_FLOOR",
    "refused",
    `the PIN was NOT sent to ${token}: ${tries(retries)}, and ${minTries} must remain after a failure`,
    {
      advice: `be sure of the PIN, then cross the floor with \`--min-tries ${Math.max(retries - 1, 0)}\`; a blocked PIN is only undone by a reset, which destroys every credential`,
      token,
      triesLeft: retries,
    },
  );
}

/** A PIN was refused, or its fate is not known: nothing is presented to this token again in this run. */
export function secondTry(token: string): HsmError {
  return new HsmError(
    "PIN_REFUSED_BEFORE",
    "refused",
    `a PIN was refused by ${token} in this run already, so none was sent again`,
    { advice: "look with `hsmadm fido pin retries`, then run the command again with the right PIN", token },
  );
}

/** The command with the PIN went out and no answer came back. The kind of the fault is kept. */
export function pinUnderWay(token: string, error: unknown): unknown {
  if (!isTransportFault(error)) return error;
  const { layer, attempts, firstCause } = error;
  return new TransportError(
    error.code,
    `${error.message}; a PIN was under way, so a try on ${token} may have been counted`,
    {
      advice: `${error.advice === undefined ? "" : `${error.advice}; `}it was not sent again, \`hsmadm fido pin retries\` reads the counter`,
      token,
      cause: error,
      layer,
      attempts,
      firstCause,
    },
  );
}

/** What the token said to a PIN, with the tries that are left. @param advice in place of the usual one */
export function pinRefused(token: string, command: string, status: number, left: number | undefined): HsmError {
  return ctapError(status, command, { token, triesLeft: left });
}

/** No PIN was given, and the token wants one. */
export function pinNeeded(token: string): HsmError {
  return ctapError(ctapStatus.puatRequired, "this", { token });
}
