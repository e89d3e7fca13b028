import { asciiText } from "../../bytes/bytes.ts";
import { HsmError } from "../../errors.ts";

export type PinKind = "user-pin" | "so-pin";

export const soPinLength = 8;
/** Of a user PIN that is set now. Older tools allowed other lengths: see {@link checkUserPin}. */
export const newPinLengths = { min: 6, max: 15 } as const;
const currentPinLengths = { min: 1, max: 16 } as const;

/** `user PIN` or `SO-PIN`, as messages spell it. */
export function pinName(which: PinKind): string {
  return which === "user-pin" ? "user PIN" : "SO-PIN";
}

/**
 * Checks a user PIN on the host, before anything is sent.
 * @param pin the bytes as typed
 * @param role a `new` PIN must be 6-15 bytes; a `current` one may be what other tools could have set, 1-16 bytes
 * @returns the same bytes
 * @throws HsmError `PIN_MALFORMED` (usage)
 */
export function checkUserPin(pin: Uint8Array, role: "new" | "current"): Uint8Array {
  const { min, max } = role === "new" ? newPinLengths : currentPinLengths;
  if (pin.length >= min && pin.length <= max) return pin;
  const what = role === "new" ? "new user PIN" : "user PIN";
  throw new HsmError(
    "PIN_MALFORMED",
    "usage",
    `${what} must be ${min} to ${max} characters, this one has ${pin.length}`,
    {
      advice: "nothing was sent to the token, so no try was used",
      which: "user-pin",
    },
  );
}

/**
 * Reads an SO-PIN as it is typed.
 * @param text 16 hex digits, as ASCII bytes
 * @returns the 8 bytes that go to the card
 * @throws HsmError `SO_PIN_MALFORMED` (usage)
 */
export function checkSoPin(text: Uint8Array): Uint8Array {
  const typed = asciiText(text);
  if (typed !== null && /^[0-9a-fA-F]{16}$/.test(typed)) {
    return Uint8Array.from({ length: soPinLength }, (_, i) => Number.parseInt(typed.slice(2 * i, 2 * i + 2), 16));
  }
  const problem =
    text.length === 16 ? "this one has other characters than 0-9 and A-F" : `this one has ${text.length} characters`;
  throw new HsmError("SO_PIN_MALFORMED", "usage", `an SO-PIN is typed as 16 hex digits, ${problem}`, {
    advice:
      text.length === soPinLength
        ? "if it was set as 8 characters, give their ASCII codes as 16 hex digits: `hsmadm so-pin explain` shows them; nothing was sent"
        : "nothing was sent to the token, so no try was used; `hsmadm so-pin explain` shows what each spelling means",
    which: "so-pin",
  });
}

/**
 * The bytes of an SO-PIN that a caller hands to the driver: 8 raw bytes as {@link checkSoPin} gives them; 16 hex
 * digits are read as such, since no raw SO-PIN has 16 bytes.
 * @throws HsmError `SO_PIN_MALFORMED` (usage)
 */
export function soPinBytes(value: Uint8Array): Uint8Array {
  return value.length === soPinLength ? value : checkSoPin(value);
}
