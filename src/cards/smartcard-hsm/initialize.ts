import { bigEndian, concat } from "../../bytes/bytes.ts";
import { encodeTlv } from "../../bytes/tlv.ts";
import { HsmError } from "../../errors.ts";
import { optionBits } from "./application.ts";
import type { AttemptCommand } from "./pin-commands.ts";
import { checkUserPin, soPinBytes } from "./pins.ts";

/** What a token is initialised with (reference 02, section 2.9). */
export interface InitializeSettings {
  /** 8 raw bytes, as `checkSoPin` gives them. Sets the SO-PIN of a new token, must equal it on any other. */
  readonly soPin: Uint8Array;
  /** 6-15 bytes. Only a token that is opened by public keys alone may go without. */
  readonly userPin?: Uint8Array | undefined;
  /** Tries of the user PIN, 1-10, at most 3 for a PIN of 6 characters and 5 for one of 7. Default 3. */
  readonly retries?: number | undefined;
  /** Without a DKEK, keys can never leave the token. */
  readonly dkek:
    | { readonly kind: "none" }
    | { readonly kind: "random" }
    | { readonly kind: "shares"; readonly shares: number }
    | { readonly kind: "key-domains"; readonly domains: number };
  /** The user PIN must be changed before it can be used. */
  readonly transportPin?: boolean | undefined;
  /** What the SO-PIN may do to the user PIN: set a new one (default), or also reset the counter only, or nothing. */
  readonly pinReset?: "with-new-pin" | "counter-only" | "never" | undefined;
  /** Log in by `required` of `total` registered keys. */
  readonly publicKeyAuthentication?: { readonly required: number; readonly total: number } | undefined;
}

/** A card erases its memory here, and its answer takes seconds. */
const patienceMs = 60_000;

/** The option bits these settings ask for. */
export function initializeOptions(settings: InitializeSettings): number {
  const { pinReset = "with-new-pin", transportPin = false } = settings;
  const reset =
    pinReset === "never"
      ? 0
      : pinReset === "counter-only"
        ? optionBits.pinReset | optionBits.counterReset
        : optionBits.pinReset;
  return reset | (transportPin ? optionBits.transportPin : 0);
}

/**
 * The command. Everything that a card would refuse is refused here first: a refused INITIALIZE may cost an SO-PIN try.
 * @throws HsmError `PIN_MALFORMED`, `SO_PIN_MALFORMED`, `SETTINGS_INVALID` (usage)
 */
export function initializeDevice(settings: InitializeSettings): AttemptCommand {
  const { userPin, dkek, publicKeyAuthentication } = settings;
  const soPin = soPinBytes(settings.soPin);
  if (userPin !== undefined) checkUserPin(userPin, "new");
  else if (publicKeyAuthentication === undefined)
    throw invalid("a token needs a user PIN or public key authentication");
  else if (settings.transportPin === true) throw invalid("a transport PIN needs a user PIN");
  const retries = whole("the number of tries", settings.retries ?? 3, 1, 10);
  if (userPin !== undefined) checkRetries(userPin.length, retries);
  const parts = [encodeTlv(0x80, bigEndian(initializeOptions(settings), 2))];
  if (userPin !== undefined) parts.push(encodeTlv(0x81, userPin));
  parts.push(encodeTlv(0x82, soPin), encodeTlv(0x91, Uint8Array.of(retries)));
  if (dkek.kind === "random") parts.push(encodeTlv(0x92, Uint8Array.of(0)));
  if (dkek.kind === "shares") {
    parts.push(encodeTlv(0x92, Uint8Array.of(whole("the number of key shares", dkek.shares, 1, 255))));
  }
  if (publicKeyAuthentication !== undefined) {
    const total = whole("the number of authentication keys", publicKeyAuthentication.total, 1, 90);
    const required = whole("the number of keys required", publicKeyAuthentication.required, 1, total);
    parts.push(encodeTlv(0x93, Uint8Array.of(total, required)));
  }
  if (dkek.kind === "key-domains") {
    parts.push(encodeTlv(0x97, Uint8Array.of(whole("the number of key domains", dkek.domains, 1, 255))));
  }
  return {
    name: "INITIALIZE DEVICE",
    apdu: { cla: 0x80, ins: 0x50, p1: 0x00, p2: 0x00, data: concat(...parts) },
    parse: ({ sw }) => sw,
    patienceMs,
  };
}

// sc-hsm-tool's limits, which genuine cards enforce: a short PIN must not have many tries.
function checkRetries(pinLength: number, retries: number): void {
  const limit = pinLength <= 6 ? 3 : pinLength === 7 ? 5 : 10;
  if (retries > limit) {
    throw invalid(
      `a user PIN of ${pinLength} characters may have at most ${limit} tries, not ${retries}`,
      "choose a longer PIN or fewer tries; nothing was sent",
    );
  }
}

function whole(what: string, value: number, min: number, max: number): number {
  if (Number.isInteger(value) && value >= min && value <= max) return value;
  throw invalid(`${what} must be a whole number from ${min} to ${max}, not ${value}`);
}

function invalid(problem: string, advice = "nothing was sent to the token"): HsmError {
  return new HsmError("SETTINGS_INVALID", "usage", problem, { advice });
}
