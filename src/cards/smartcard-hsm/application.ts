import type { CardCommand } from "../../apdu/card-command.ts";
import { describeSw, SW } from "../../apdu/status-word.ts";
import { fromHex } from "../../bytes/hex.ts";
import { readTlv } from "../../bytes/tlv.ts";
import { HsmError, messageOf } from "../../errors.ts";

/** 1.3.6.1.4.1.24991.2.1 (CardContact) behind the byte E8 (reference 01, section 1.1). */
export const applicationId = fromHex("E82B0601040181C31F0201");

/** Bits of tag 80 in INITIALIZE and of tag 85 in the answer to SELECT (reference 01, section 1.4). */
export const optionBits = {
  /** RESET RETRY COUNTER: the SO-PIN may unblock or replace the user PIN. */
  pinReset: 0x0001,
  /** The user PIN given at INITIALIZE must be changed before it can be used. */
  transportPin: 0x0002,
  sessionPin: 0x0004,
  /** Registered authentication keys may be replaced; beside {@link optionBits.sessionPin} it belongs to the session PIN. */
  replaceKeys: 0x0008,
  /** User PIN and public key authentication are both needed. */
  combined: 0x0010,
  /** The SO-PIN may reset the counter without a new user PIN. */
  counterReset: 0x0020,
} as const;

export interface ApplicationInfo {
  readonly version: { readonly major: number; readonly minor: number };
  /** Type byte of tag 85: 00 production, 01 demo, FF unspecified; v1.x does not say it. */
  readonly platform: "production" | "demo" | "unspecified" | number;
  /** The 16 option bits in force; `null` on v1.x, which does not tell them. */
  readonly options: number | null;
  /** The set bits in words, for people. */
  readonly optionNames: readonly string[];
  /** What the answer claims to be; only the device certificate can prove it. */
  readonly profile: "genuine" | "pico" | "unknown";
}

/** SELECT by AID, P2 00 and a short Le: other forms are refused or garbled by some versions. Ends every login. */
export function selectApplication(where: string): CardCommand<ApplicationInfo> {
  return {
    name: "SELECT",
    apdu: { cla: 0x00, ins: 0xa4, p1: 0x04, p2: 0x00, data: applicationId, le: 256 },
    parse(response) {
      if (response.sw === 0x6285) {
        throw new HsmError("TOKEN_TERMINATED", "device", `the token in ${where} says that it is terminated for good`, {
          advice: "replace the token",
        });
      }
      if (response.sw !== SW.ok) throw notASmartCardHsm(where, `SELECT: ${describeSw(response.sw)}`);
      try {
        return parseApplicationInfo(response.data);
      } catch (cause) {
        throw notASmartCardHsm(where, messageOf(cause), cause);
      }
    },
  };
}

/**
 * Reads the FCI (6F) or FCP (62) that SELECT gives. Other tags may stand before 85, and 85 has 2 bytes on v1.x and 5
 * later: it is counted from its end. A card that answers 9000 to any AID has no such tag (OpenSC issue 1377).
 * @throws HsmError when it is not the answer of a SmartCard-HSM
 */
export function parseApplicationInfo(template: Uint8Array): ApplicationInfo {
  const outer = readTlv(template, "answer to SELECT");
  const what = "template of SELECT";
  let value: Uint8Array | undefined;
  for (let at = 0; at < outer.value.length && value === undefined; ) {
    const object = readTlv(outer.value, what, at);
    if (object.tag === 0x85) value = object.value;
    at += object.raw.length;
  }
  if ((outer.tag !== 0x6f && outer.tag !== 0x62) || value === undefined || value.length < 2) {
    throw new HsmError("SELECT_ANSWER_INVALID", "not-supported", "the answer to SELECT has no version (tag 85)");
  }
  const fromEnd = (n: number): number | undefined => value[value.length - n];
  const type = fromEnd(3);
  const optionsLow = fromEnd(4);
  const options = optionsLow === undefined ? null : (fromEnd(5) ?? 0) * 256 + optionsLow;
  return {
    version: { major: fromEnd(2) ?? 0, minor: fromEnd(1) ?? 0 },
    platform:
      type === undefined || type === 0 ? "production" : type === 1 ? "demo" : type === 0xff ? "unspecified" : type,
    options,
    optionNames: optionNames(options ?? 0),
    profile: type === undefined || type === 0 || type === 1 ? "genuine" : type === 0xff ? "pico" : "unknown",
  };
}

/** The set option bits in words. */
export function optionNames(options: number): string[] {
  const names: string[] = [];
  const has = (bit: number): boolean => (options & bit) !== 0;
  if (has(optionBits.pinReset)) names.push("user PIN reset with SO-PIN");
  if (has(optionBits.transportPin)) names.push("transport PIN");
  if (has(optionBits.sessionPin)) {
    names.push(has(optionBits.replaceKeys) ? "session PIN, cleared explicitly" : "session PIN, cleared at reset");
  } else if (has(optionBits.replaceKeys)) names.push("authentication keys replaceable");
  if (has(optionBits.combined)) names.push("user PIN and public keys both needed");
  if (has(optionBits.counterReset)) names.push("counter reset without new user PIN");
  if (has(0x0100)) names.push("button press before key use");
  if (has(0x0200)) names.push("use counter for every new key");
  if (has(0x0400)) names.push("secure lock");
  return names;
}

function notASmartCardHsm(where: string, why: string, cause?: unknown): HsmError {
  return new HsmError("NOT_A_SMARTCARD_HSM", "not-supported", `the card in ${where} is no SmartCard-HSM (${why})`, {
    advice: "choose another reader with --device; `hsmadm device list` shows what is in each",
    cause,
  });
}
