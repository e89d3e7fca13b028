import type { ErrorKind } from "../../errors.ts";

/** What one status byte means. */
interface StatusMeaning {
  /** The specification's name, without its prefix. */
  readonly name: string;
  readonly code: string;
  readonly kind: ErrorKind;
  /** `{token}` is the authenticator's name, `{command}` the command's. */
  readonly says: string;
  readonly advice?: string;
}

const oddRequest = "the token and hsmadm do not understand each other here: `--trace FILE` records it for a report";
const tooOld = "the token is too old for this or does not offer it; `hsmadm fido info` shows what it offers";
const touchInTime = "try again, and touch the token when it blinks; on NFC lift it and put it back first";
const replug = "take the token out and insert it again, then try again with the right PIN";
const onlyReset =
  "only a reset of the token helps, which destroys every credential on it: open what it protects with another token first";

function odd(name: string, what: string): StatusMeaning {
  return {
    name,
    code: "FIDO_REQUEST_REFUSED",
    kind: "unexpected",
    says: `{token} refused {command}: ${what}`,
    advice: oddRequest,
  };
}

function busy(name: string): StatusMeaning {
  return { name, code: "FIDO_BUSY", kind: "service", says: "{token} is busy", advice: "wait a moment, then try again" };
}

/** Section 11 of the reference: what each status means to whoever holds the token. */
export const statusMeanings: ReadonlyMap<number, StatusMeaning> = new Map<number, StatusMeaning>([
  [
    0x01,
    {
      name: "INVALID_COMMAND",
      code: "FIDO_NOT_SUPPORTED",
      kind: "not-supported",
      says: "{token} does not know {command}",
      advice: tooOld,
    },
  ],
  [0x02, odd("INVALID_PARAMETER", "a parameter is wrong")],
  [0x03, odd("INVALID_LENGTH", "a length is wrong")],
  [
    0x05,
    { name: "TIMEOUT", code: "FIDO_TIMEOUT", kind: "timeout", says: "{token} gave up waiting", advice: touchInTime },
  ],
  [
    0x06,
    {
      name: "CHANNEL_BUSY",
      code: "FIDO_BUSY",
      kind: "service",
      says: "another program uses {token}",
      advice: "close the other program (a browser, an SSH agent) or wait for it, then try again",
    },
  ],
  [0x11, odd("CBOR_UNEXPECTED_TYPE", "something in the request has the wrong type")],
  [0x12, odd("INVALID_CBOR", "it could not read the request")],
  [0x14, odd("MISSING_PARAMETER", "a parameter is missing")],
  [
    0x15,
    {
      name: "LIMIT_EXCEEDED",
      code: "FIDO_REQUEST_TOO_LARGE",
      kind: "not-supported",
      says: "{command} asks {token} for more than it can hold at once",
    },
  ],
  [
    0x19,
    {
      name: "CREDENTIAL_EXCLUDED",
      code: "FIDO_ALREADY_ENROLLED",
      kind: "conflict",
      says: "{token} holds one of the credentials that are enrolled already",
      advice: "insert another token, or remove the old enrolment first",
    },
  ],
  [0x21, busy("PROCESSING")],
  [
    0x22,
    {
      name: "INVALID_CREDENTIAL",
      code: "FIDO_NO_CREDENTIAL",
      kind: "device",
      says: "{token} does not know the credential",
      advice: "try another token",
    },
  ],
  [0x23, busy("USER_ACTION_PENDING")],
  [0x24, busy("OPERATION_PENDING")],
  [
    0x26,
    {
      name: "UNSUPPORTED_ALGORITHM",
      code: "FIDO_NOT_SUPPORTED",
      kind: "not-supported",
      says: "{token} offers none of the algorithms asked for",
    },
  ],
  [
    0x27,
    {
      name: "OPERATION_DENIED",
      code: "FIDO_DENIED",
      kind: "cancelled",
      says: "{command} was refused at {token}",
      advice: "try again and agree on the token; on NFC lift it and put it back first",
    },
  ],
  [
    0x28,
    {
      name: "KEY_STORE_FULL",
      code: "FIDO_FULL",
      kind: "unexpected",
      says: "{token} has no room for another discoverable credential",
    },
  ],
  [
    0x2b,
    {
      name: "UNSUPPORTED_OPTION",
      code: "FIDO_NOT_SUPPORTED",
      kind: "not-supported",
      says: "{token} does not offer an option that {command} asks for",
      advice: tooOld,
    },
  ],
  [
    0x2c,
    {
      name: "INVALID_OPTION",
      code: "FIDO_NOT_SUPPORTED",
      kind: "not-supported",
      says: "{token} cannot do {command} with these options",
      advice: tooOld,
    },
  ],
  [0x2d, { name: "KEEPALIVE_CANCEL", code: "FIDO_CANCELLED", kind: "cancelled", says: "{command} was cancelled" }],
  [
    0x2e,
    {
      name: "NO_CREDENTIALS",
      code: "FIDO_NO_CREDENTIAL",
      kind: "device",
      says: "{token} does not hold the credential, hides it until its PIN is given, or was reset since",
      advice: "try another token; a reset, also one from a browser, destroys every credential without a word",
    },
  ],
  [
    0x2f,
    {
      name: "USER_ACTION_TIMEOUT",
      code: "FIDO_TIMEOUT",
      kind: "timeout",
      says: "{token} was not touched in time",
      advice: touchInTime,
    },
  ],
  [
    0x30,
    {
      name: "NOT_ALLOWED",
      code: "FIDO_NOT_ALLOWED",
      kind: "refused",
      says: "{token} does not allow {command} now",
      advice:
        "a reset is only taken within 10 seconds of inserting the token: take it out, insert it again and be quick",
    },
  ],
  [
    0x31,
    {
      name: "PIN_INVALID",
      code: "FIDO_PIN_WRONG",
      kind: "authentication",
      says: "wrong PIN on {token}",
      advice: "the same PIN will not be sent again",
    },
  ],
  [
    0x32,
    {
      name: "PIN_BLOCKED",
      code: "FIDO_PIN_BLOCKED",
      kind: "blocked",
      says: "the PIN of {token} is blocked for good",
      advice: onlyReset,
    },
  ],
  [
    0x33,
    {
      name: "PIN_AUTH_INVALID",
      code: "FIDO_AUTH_INVALID",
      kind: "authentication",
      says: "{token} does not accept the authorisation of {command}; that is not necessarily a wrong PIN",
      advice:
        "the authorisation may be used up, too narrow or for another service: try again; the PIN itself was not judged here",
    },
  ],
  [
    0x34,
    {
      name: "PIN_AUTH_BLOCKED",
      code: "FIDO_PIN_PAUSED",
      kind: "blocked",
      says: "{token} takes no PIN until it was unplugged: three wrong ones in a row",
      advice: replug,
    },
  ],
  [
    0x35,
    {
      name: "PIN_NOT_SET",
      code: "FIDO_PIN_NOT_SET",
      kind: "refused",
      says: "{token} has no PIN yet",
      advice: "`hsmadm fido pin set` sets one",
    },
  ],
  [
    0x36,
    {
      name: "PUAT_REQUIRED",
      code: "FIDO_PIN_REQUIRED",
      kind: "authentication",
      says: "{token} wants its PIN for {command}",
      advice: "give the PIN with `--fido-pin`",
    },
  ],
  [
    0x37,
    {
      name: "PIN_POLICY_VIOLATION",
      code: "FIDO_PIN_POLICY",
      kind: "refused",
      says: "the PIN does not meet the rules of {token}, or must be changed before it can be used",
      advice: "`hsmadm fido info` shows the shortest PIN it takes; `hsmadm fido pin change` changes it",
    },
  ],
  [
    0x38,
    {
      name: "PIN_TOKEN_EXPIRED",
      code: "FIDO_AUTH_EXPIRED",
      kind: "timeout",
      says: "the authorisation of {command} on {token} has expired",
      advice: "try again",
    },
  ],
  [
    0x39,
    {
      name: "REQUEST_TOO_LARGE",
      code: "FIDO_REQUEST_TOO_LARGE",
      kind: "not-supported",
      says: "{command} is too long for {token}",
    },
  ],
  [
    0x3a,
    {
      name: "ACTION_TIMEOUT",
      code: "FIDO_TIMEOUT",
      kind: "timeout",
      says: "{token} was not touched in time",
      advice: touchInTime,
    },
  ],
  [
    0x3b,
    {
      name: "UP_REQUIRED",
      code: "FIDO_TOUCH_NEEDED",
      kind: "cancelled",
      says: "{token} wants a touch for {command}",
      advice: touchInTime,
    },
  ],
  [
    0x3c,
    {
      name: "UV_BLOCKED",
      code: "FIDO_UV_BLOCKED",
      kind: "blocked",
      says: "{token} takes no more fingerprints",
      advice: "give the PIN with `--fido-pin`",
    },
  ],
  [
    0x3d,
    {
      name: "INTEGRITY_FAILURE",
      code: "FIDO_INTEGRITY",
      kind: "check-failed",
      says: "{token} found the data of {command} damaged",
    },
  ],
  [
    0x3e,
    {
      name: "INVALID_SUBCOMMAND",
      code: "FIDO_NOT_SUPPORTED",
      kind: "not-supported",
      says: "{token} does not know this form of {command}",
      advice: tooOld,
    },
  ],
  [
    0x3f,
    {
      name: "UV_INVALID",
      code: "FIDO_UV_INVALID",
      kind: "authentication",
      says: "{token} did not recognise the finger",
      advice: "try again, or give the PIN with `--fido-pin`",
    },
  ],
  [
    0x40,
    {
      name: "UNAUTHORIZED_PERMISSION",
      code: "FIDO_NOT_SUPPORTED",
      kind: "not-supported",
      says: "{token} does not give the permission that {command} needs",
      advice: tooOld,
    },
  ],
]);
