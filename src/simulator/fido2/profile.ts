import { SW } from "../../apdu/status-word.ts";
import { fromHex } from "../../bytes/hex.ts";
import { ctapStatus } from "./ctap-status.ts";

export const authenticatorProfileNames = ["standard", "applet"] as const;
export type AuthenticatorProfileName = (typeof authenticatorProfileNames)[number];

/**
 * In what authenticators differ. A driver must work with all of them. `standard` does what CTAP 2.1 says; `applet` what
 * the authenticator of the recordings in test/recordings/fido2-pcsc does (its README lists where that is not the same).
 */
export interface AuthenticatorProfile {
  readonly name: AuthenticatorProfileName;
  readonly atr: Uint8Array;
  readonly aaguid: Uint8Array;
  readonly versions: readonly string[];
  readonly extensions: readonly string[];
  readonly transports: readonly string[];
  /** Told in getInfo, where the authenticator tells it. */
  readonly firmwareVersion: number;
  readonly maxMessage: number;
  /** Most bytes in one part of an answer: an answer to a short APDU that is longer ends in 61xx. */
  readonly responsePart: number;
  readonly extendedApdus: boolean;
  readonly credentialIdLength: number;
  readonly maxCredentialsInList: number;
  readonly maxResidents: number;
  /** `up` in the options of getInfo. Presence is asked for whatever it says. */
  readonly tellsUp: boolean;
  /** authenticatorReset is refused later than this after power-up. `null`: at any time. */
  readonly resetWindowMs: number | null;
  /** authenticatorReset ends the selection of the applet. */
  readonly resetDeselects: boolean;
  /** hmac-secret wants presence, and is left out for credentials that were made without it. */
  readonly hmacSecretIsStrict: boolean;
  /** `uv: true` without a token, on an authenticator without a sensor, is refused; otherwise it is not looked at. */
  readonly refusesUvOption: boolean;
  /** With alwaysUv an assertion wants a token even when it asks for no presence. */
  readonly alwaysUvForPreflight: boolean;
  /** A blocked PIN makes every credential unknown. */
  readonly blockedPinForgets: boolean;
  /** Status word of SELECT with an AID that is not there. */
  readonly unknownAid: number;
  readonly status: {
    readonly wrongSaltAuth: number;
    readonly pinAlreadySet: number;
    /** `rk` among the options of getAssertion. */
    readonly rkInAssertion: number;
    /** makeCredential without a token under alwaysUv, no PIN set. */
    readonly alwaysUvWithoutPin: number;
  };
}

const standard: AuthenticatorProfile = {
  name: "standard",
  // Historical bytes "SIMFIDO2".
  atr: fromHex("3BF81800008131FE4553494D4649444F328A"),
  // "hsmadm simulated": says what it is wherever an AAGUID is shown.
  aaguid: fromHex("68736D61646D2073696D756C61746564"),
  versions: ["FIDO_2_0", "FIDO_2_1"],
  extensions: ["credProtect", "hmac-secret", "hmac-secret-mc"],
  transports: ["nfc", "usb"],
  firmwareVersion: 1,
  maxMessage: 1200,
  responsePart: 256,
  extendedApdus: true,
  credentialIdLength: 96,
  maxCredentialsInList: 8,
  maxResidents: 25,
  tellsUp: true,
  resetWindowMs: 10_000,
  resetDeselects: false,
  hmacSecretIsStrict: true,
  refusesUvOption: true,
  alwaysUvForPreflight: false,
  blockedPinForgets: false,
  unknownAid: SW.fileNotFound,
  status: {
    wrongSaltAuth: ctapStatus.pinAuthInvalid,
    pinAlreadySet: ctapStatus.pinAuthInvalid,
    rkInAssertion: ctapStatus.unsupportedOption,
    alwaysUvWithoutPin: ctapStatus.tokenRequired,
  },
};

const applet: AuthenticatorProfile = {
  ...standard,
  name: "applet",
  extensions: ["credProtect", "hmac-secret"],
  credentialIdLength: 112,
  maxCredentialsInList: 10,
  tellsUp: false,
  resetWindowMs: null,
  resetDeselects: true,
  hmacSecretIsStrict: false,
  refusesUvOption: false,
  alwaysUvForPreflight: true,
  blockedPinForgets: true,
  unknownAid: 0x6999,
  status: {
    wrongSaltAuth: ctapStatus.integrityFailure,
    pinAlreadySet: ctapStatus.tokenRequired,
    rkInAssertion: ctapStatus.invalidOption,
    alwaysUvWithoutPin: ctapStatus.pinNotSet,
  },
};

export const authenticatorProfiles: Readonly<Record<AuthenticatorProfileName, AuthenticatorProfile>> = {
  standard,
  applet,
};
