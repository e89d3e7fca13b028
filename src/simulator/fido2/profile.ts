import { SW } from "../../apdu/status-word.ts";
import { fromHex } from "../../bytes/hex.ts";
import { ctapStatus } from "./ctap-status.ts";
import { type LockProfile, lockProfiles } from "./pico/lock-profile.ts";
import type { AuthenticatorProfileName } from "./profile-names.ts";

/**
 * In what authenticators differ. A driver must work with all of them. `standard` does what CTAP 2.1 says; `applet` what
 * the authenticator of the recordings in test/recordings/fido2-pcsc does (its README lists where that is not the same); `pico-fido-…` what those versions of Pico FIDO do with their secure lock.
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
  /** Options that getInfo leaves out. */
  readonly untoldOptions: readonly string[];
  readonly pinProtocols: readonly number[];
  /** A pinUvAuthToken for credentials has to be asked for with an RP id. */
  readonly tokenWantsRpId: boolean;
  /** Where there is a PIN, no credential is made without it. */
  readonly credentialsWantPin: boolean;
  /** An assertion tells the user's id of a discoverable credential that was named, too. */
  readonly tellsNamedUser: boolean;
  /** From the first PIN on nothing is done without it. */
  readonly pinSetsAlwaysUv: boolean;
  /**
   * Ids carry a second tag that needs no device key. One that has it, under a device key that does not fit, is answered
   * with status 00 and an assertion that nobody can verify.
   */
  readonly silentTag: boolean;
  /** Secure lock, vendor commands; `null` where there are none. */
  readonly lock: LockProfile | null;
  /** CTAPHID_INIT: device version and capabilities. */
  readonly hidFacts: readonly [major: number, minor: number, build: number, capabilities: number];
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
  untoldOptions: [],
  pinProtocols: [2, 1],
  tokenWantsRpId: true,
  credentialsWantPin: false,
  tellsNamedUser: false,
  pinSetsAlwaysUv: false,
  silentTag: false,
  lock: null,
  // WINK, CBOR and no U2F.
  hidFacts: [1, 0, 0, 0x01 | 0x04 | 0x08],
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

const pico512: AuthenticatorProfile = {
  ...standard,
  name: "pico-fido-5.12",
  aaguid: fromHex("89FB94B706C936739B7E30526D968145"),
  versions: ["U2F_V2", "FIDO_2_0", "FIDO_2_1"],
  extensions: ["credProtect", "hmac-secret"],
  firmwareVersion: 0x050c,
  maxMessage: 1024,
  credentialIdLength: 120,
  maxCredentialsInList: 16,
  maxResidents: 128,
  untoldOptions: ["up", "plat", "alwaysUv", "makeCredUvNotRqd"],
  pinProtocols: [1, 2],
  tokenWantsRpId: false,
  credentialsWantPin: true,
  tellsNamedUser: true,
  lock: lockProfiles.v512,
  hidFacts: [5, 12, 0, 0x01 | 0x04],
};

const pico66: AuthenticatorProfile = {
  ...pico512,
  name: "pico-fido-6.6",
  firmwareVersion: 0x0606,
  credentialIdLength: 136,
  untoldOptions: ["up", "plat", "makeCredUvNotRqd"],
  silentTag: true,
  lock: lockProfiles.v66,
  hidFacts: [6, 6, 0, 0x01 | 0x04],
};

const pico76: AuthenticatorProfile = {
  ...pico66,
  name: "pico-fido-7.6",
  versions: [...pico66.versions, "FIDO_2_2"],
  extensions: standard.extensions,
  firmwareVersion: 0x0706,
  lock: lockProfiles.v76,
  hidFacts: [7, 6, 0, 0x01 | 0x04],
};

const pico80: AuthenticatorProfile = {
  ...pico76,
  name: "pico-fido-8.0",
  versions: [...pico76.versions, "FIDO_2_3"],
  firmwareVersion: 0x0800,
  credentialIdLength: 126,
  untoldOptions: ["up", "plat"],
  pinSetsAlwaysUv: true,
  lock: lockProfiles.v80,
  hidFacts: [8, 0, 0, 0x01 | 0x04],
};

export const authenticatorProfiles: Readonly<Record<AuthenticatorProfileName, AuthenticatorProfile>> = {
  standard,
  applet,
  "pico-fido-5.12": pico512,
  "pico-fido-6.6": pico66,
  "pico-fido-7.6": pico76,
  "pico-fido-8.0": pico80,
};
