import { meaningOf } from "../../apdu/status-word.ts";
import { hexNumber } from "../../bytes/hex.ts";
import { type ErrorKind, HsmError } from "../../errors.ts";
import { keyRefusals } from "./keys/key-refusals.ts";
import { authenticationRefusals } from "./public-key-authentication/authentication-refusals.ts";

/** What one status word means in one command. `{token}` in the texts is the token's name, `{key}` the key's. */
export interface Refusal {
  readonly code: string;
  readonly kind: ErrorKind;
  readonly says: string;
  readonly advice?: string;
}

const notLoggedIn: Refusal = {
  code: "NOT_LOGGED_IN",
  kind: "authentication",
  says: "{token} wants the user PIN for this, and no login holds",
  advice: "log in first; another program that selects or resets the token ends the login",
};
const full: Refusal = {
  code: "TOKEN_FULL",
  kind: "unexpected",
  says: "{token} has no memory left for this",
  advice: "delete keys, certificates or data objects that are no longer needed",
};
const noSuchFile: Refusal = {
  code: "FILE_NOT_FOUND",
  kind: "unexpected",
  says: "{token} has no such file",
};
const otherApplet: Refusal = {
  code: "APPLET_NOT_SELECTED",
  kind: "service",
  says: "{token} does not know the command: another program has selected another applet",
  advice: "stop the other program (scdaemon and PKCS#11 users are the usual ones), then run the command again",
};

/**
 * Status words with their meaning in the context of a command (reference 08, section 8.2); `docs/status-words.md` is
 * this table in prose, compared by a test. Commands that present a PIN are judged in `attempt.ts` with the counter in
 * hand: what stands here for them is what remains to be said when the counter did not move.
 */
export const refusals = {
  "READ BINARY": {
    27010: notLoggedIn,
    27266: noSuchFile,
    27272: noSuchFile,
    26880: otherApplet,
    27904: otherApplet,
    28160: otherApplet,
  },
  "UPDATE BINARY": {
    27010: notLoggedIn,
    25985: full,
    27268: full,
    27264: { code: "WRITE_REFUSED", kind: "unexpected", says: "{token} does not take what was to be written" },
    26880: otherApplet,
    27904: otherApplet,
    28160: otherApplet,
  },
  "DELETE FILE": {
    27010: notLoggedIn,
    27014: { code: "DELETE_REFUSED", kind: "unexpected", says: "{token} keeps this file: it cannot be deleted" },
    27266: noSuchFile,
    26880: otherApplet,
    27904: otherApplet,
    28160: otherApplet,
  },
  "ENUMERATE OBJECTS": { 26880: otherApplet, 27904: otherApplet, 28160: otherApplet },
  "GET CHALLENGE": { 26880: otherApplet, 27904: otherApplet, 28160: otherApplet },
  VERIFY: {
    27012: {
      code: "TRANSPORT_PIN",
      kind: "refused",
      says: "{token} still has its transport PIN, which must be changed before it can be used",
      advice: "`hsmadm pin change` sets your own PIN",
    },
    27013: {
      code: "PUBLIC_KEY_AUTHENTICATION",
      kind: "not-supported",
      says: "{token} wants public key authentication as well",
    },
    27272: {
      code: "NOT_INITIALISED",
      kind: "refused",
      says: "{token} was never initialised, so it has no PIN",
      advice: "`hsmadm device init` initialises it",
    },
    27264: { code: "PIN_LENGTH_REFUSED", kind: "authentication", says: "{token} does not take a PIN of this length" },
    26368: { code: "PIN_LENGTH_REFUSED", kind: "authentication", says: "{token} does not take a PIN of this length" },
  },
  "CHANGE REFERENCE DATA": {
    27264: {
      code: "NEW_PIN_REFUSED",
      kind: "not-supported",
      says: "{token} does not take these PIN lengths",
      advice: "cards before version 2 keep the length of the PIN: choose a new PIN as long as the old one",
    },
    26368: {
      code: "NEW_PIN_REFUSED",
      kind: "not-supported",
      says: "{token} does not take these PIN lengths",
      advice: "cards before version 2 keep the length of the PIN: choose a new PIN as long as the old one",
    },
    27272: {
      code: "NOT_INITIALISED",
      kind: "refused",
      says: "{token} was never initialised, so it has no PIN",
      advice: "`hsmadm device init` initialises it",
    },
  },
  "RESET RETRY COUNTER": {
    27013: {
      code: "PIN_RESET_NOT_ENABLED",
      kind: "not-supported",
      says: "{token} was initialised without this way to reset the user PIN",
      advice:
        "only `hsmadm device init` gives it a new user PIN, and all keys on it are lost: restore them from a backup",
    },
    27014: {
      code: "PIN_RESET_NOT_ENABLED",
      kind: "not-supported",
      says: "{token} was initialised without this way to reset the user PIN",
      advice:
        "only `hsmadm device init` gives it a new user PIN, and all keys on it are lost: restore them from a backup",
    },
    27272: {
      code: "NOT_INITIALISED",
      kind: "refused",
      says: "{token} was never initialised, so there is no PIN to unblock",
      advice: "`hsmadm device init` initialises it",
    },
    27264: { code: "NEW_PIN_REFUSED", kind: "not-supported", says: "{token} does not take a PIN of this length" },
    26368: { code: "NEW_PIN_REFUSED", kind: "not-supported", says: "{token} does not take a PIN of this length" },
    27904: {
      code: "PIN_RESET_NOT_ENABLED",
      kind: "not-supported",
      says: "{token} is too old to reset the user PIN with the SO-PIN",
    },
  },
  "INITIALIZE DEVICE": {
    27264: {
      code: "SETTINGS_REFUSED",
      kind: "not-supported",
      says: "{token} does not take these settings",
      advice: "an older card may not know key domains, a transport PIN or public key authentication: leave them out",
    },
    26368: {
      code: "SETTINGS_REFUSED",
      kind: "not-supported",
      says: "{token} does not take these settings",
      advice: "an older card may not know key domains, a transport PIN or public key authentication: leave them out",
    },
    27268: {
      code: "TOKEN_BUSY",
      kind: "unexpected",
      says: "{token} is still freeing its memory",
      advice: "take it out, insert it again and repeat the command",
    },
    25985: full,
    27010: {
      code: "INITIALISE_REFUSED",
      kind: "not-supported",
      says: "{token} refuses to be initialised, and its SO-PIN counter did not move",
      advice: "on a Pico HSM a secure lock must be opened first",
    },
    27013: {
      code: "INITIALISE_REFUSED",
      kind: "not-supported",
      says: "{token} refuses to be initialised, and its SO-PIN counter did not move",
    },
    27014: {
      code: "INITIALISE_REFUSED",
      kind: "not-supported",
      says: "{token} refuses to be initialised, and its SO-PIN counter did not move",
    },
    27904: otherApplet,
    28160: otherApplet,
  },
  ...keyRefusals({ notLoggedIn, full, otherApplet }),
  ...authenticationRefusals({ notLoggedIn, full, otherApplet }),
} as const satisfies Record<string, Readonly<Record<number, Refusal>>>;

export type RefusableCommand = keyof typeof refusals;

/** The error for a status word that is no success in this command. */
export function refusal(command: RefusableCommand, sw: number, token: string, key = "the key"): HsmError {
  const table: Readonly<Record<number, Refusal>> = refusals[command];
  const known = table[sw];
  const trace = `(${command}: SW ${hexNumber(sw, 4)}, ${meaningOf(sw)})`;
  if (known === undefined) {
    return new HsmError("COMMAND_REFUSED", "unexpected", `${token} refused the command ${trace}`, {
      advice: "`hsmadm doctor` shows what the token answers; a report of it helps us",
      token,
      details: { command, sw: hexNumber(sw, 4) },
    });
  }
  return new HsmError(
    known.code,
    known.kind,
    `${known.says.replace("{token}", token).replace("{key}", key)} ${trace}`,
    {
      advice: known.advice,
      token,
      details: { command, sw: hexNumber(sw, 4) },
    },
  );
}
