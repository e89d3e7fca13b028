import { SW } from "../apdu/status-word.ts";
import { fromHex } from "../bytes/hex.ts";

export type ProfileName = "genuine" | "pico";

/**
 * In what two independent implementations of the same command set differ. A driver must work with both.
 * Sources: reference/smartcard-hsm.md "Differences at a glance", chapters 01-06; for `pico` also the recordings of the
 * emulated card in test/recordings. What no source settles for a genuine card is marked "choice".
 */
export interface CardProfile {
  readonly name: ProfileName;
  readonly atr: Uint8Array;
  readonly version: readonly [major: number, minor: number];
  /** Type byte of tag 85. */
  readonly platform: number;
  /** Longest command APDU the link takes. */
  readonly maxCommand: number;
  /** Longest answer, without status word. */
  readonly maxResponse: number;
  /** Bytes for keys and files (choice: what holds some hundred RSA keys). */
  readonly memory: number;
  /** Command chaining (CLA bit 10) and 61xx with GET RESPONSE. */
  readonly chaining: boolean;
  /** CLA 00 and 80 are taken for each other. */
  readonly anyClass: boolean;
  /** A reset or power cycle of the reader ends the login; otherwise only SELECT of the applet does. */
  readonly resetEndsLogin: boolean;
  /** INITIALIZE on an initialised token wants the SO-PIN, and a wrong one costs a try. */
  readonly initializeChecksSoPin: boolean;
  /** Any PIN presented ends every login first, and the SO-PIN opens what the user PIN opens. */
  readonly oneLogin: boolean;
  /** The wrong try that blocks answers 6983 instead of 63C0. */
  readonly lastTryAnswersBlocked: boolean;
  /** Lengths of PINs, and retry counters against lengths, are checked. */
  readonly checksPinRules: boolean;
  /** The check value of the DKEK is shown only while logged in. */
  readonly kcvNeedsLogin: boolean;
  /** Keys are neither made nor taken in while shares are missing. */
  readonly pendingSharesBlockKeys: boolean;
  /** Key generation on a key id in use: overwritten, or refused with 6A89 (choice). */
  readonly overwritesKeys: boolean;
  /** Key generation writes the description C4xx too. */
  readonly writesDescriptions: boolean;
  /** Writing at offset 0 replaces the whole file; otherwise the old tail stays. */
  readonly updateReplaces: boolean;
  /** ECDH answers X and Y of the product, otherwise X alone. */
  readonly ecdhTellsY: boolean;
  /** PSS (40) takes a DigestInfo as well as a hash. */
  readonly pssTakesDigestInfo: boolean;
  /** Public keys that can be registered for a login. */
  readonly mostPublicKeys: number;
  /** A key is registered only when its device vouches for it, and that device's certificate leads to the root. */
  readonly checksRegisteredKeys: boolean;
  /** A new challenge makes the answers to the last one worthless: all custodians sign the same. */
  readonly oneChallengeForAll: boolean;
  readonly sw: {
    /** Data that make no sense. */
    readonly malformed: number;
    readonly algorithmNotAllowed: number;
    readonly counterUsedUp: number;
    readonly optionNotSet: number;
    readonly soPinNotVerified: number;
    readonly noKey: number;
    readonly wrongKeyType: number;
    readonly publicKeysNotConfigured: number;
    /** No holder was selected whose key could check a registration. */
    readonly noSigner: number;
    /** A certificate or a registration with a signature that is not its issuer's. */
    readonly wrongSignature: number;
    /** What PSO VERIFY CERTIFICATE cannot read. */
    readonly malformedCertificate: number;
    /** EXTERNAL AUTHENTICATE with a signature that is no answer to the challenge. */
    readonly wrongAnswer: number;
    /** INITIALIZE with a wrong SO-PIN: OpenSC takes 6985 and 6986 for it (choice). */
    readonly initializeWrongSoPin: number;
    /** Import of a share that is not expected. */
    readonly shareNotExpected: number;
    /** A key domain that waits for shares cannot do this. */
    readonly domainPending: number;
    /** UNWRAP of a blob made under another DKEK, or damaged. */
    readonly malformedBlob: number;
    /** UNWRAP of a key on a curve that the card does not have. */
    readonly unknownCurve: number;
    /** Nothing more fits on the card. */
    readonly memoryFull: number;
    /** RESET RETRY COUNTER and others for a reference that is not there. */
    readonly wrongReference: number;
  };
}

/** SmartCard-HSM 4.1 on JCOP 4, as in a Nitrokey HSM 2. */
const genuine: CardProfile = {
  name: "genuine",
  atr: fromHex("3BDE18FF8191FE1FC38031815448534D317380214081071C"),
  version: [4, 1],
  platform: 0x00,
  maxCommand: 1454,
  maxResponse: 1452,
  memory: 256 * 1024,
  chaining: false,
  anyClass: false,
  resetEndsLogin: true,
  initializeChecksSoPin: true,
  oneLogin: false,
  lastTryAnswersBlocked: false,
  checksPinRules: true,
  kcvNeedsLogin: false,
  pendingSharesBlockKeys: true,
  overwritesKeys: false,
  writesDescriptions: false,
  updateReplaces: false,
  ecdhTellsY: true,
  pssTakesDigestInfo: false,
  mostPublicKeys: 90,
  checksRegisteredKeys: true,
  oneChallengeForAll: false,
  sw: {
    malformed: SW.wrongData,
    algorithmNotAllowed: SW.functionNotSupported,
    counterUsedUp: SW.referenceDataNotUsable,
    optionNotSet: SW.conditionsNotSatisfied,
    soPinNotVerified: SW.securityStatusNotSatisfied,
    noKey: SW.referencedDataNotFound,
    wrongKeyType: SW.functionNotSupported,
    publicKeysNotConfigured: SW.conditionsNotSatisfied,
    noSigner: SW.referencedDataNotFound,
    wrongSignature: SW.conditionsNotSatisfied,
    malformedCertificate: SW.wrongData,
    wrongAnswer: SW.securityStatusNotSatisfied,
    initializeWrongSoPin: SW.conditionsNotSatisfied,
    shareNotExpected: SW.conditionsNotSatisfied,
    domainPending: SW.conditionsNotSatisfied,
    malformedBlob: SW.wrongData,
    unknownCurve: SW.functionNotSupported,
    memoryFull: SW.notEnoughMemory,
    wrongReference: SW.wrongP1P2,
  },
};

/** pico-hsm 6.6, an independent implementation that shares the ATR of old genuine cards. */
const pico: CardProfile = {
  name: "pico",
  atr: fromHex("3BFE1800008131FE458031815448534D31738021408107FA"),
  version: [6, 6],
  platform: 0xff,
  maxCommand: 4096,
  maxResponse: 2028,
  memory: 1024 * 1024,
  chaining: true,
  anyClass: true,
  resetEndsLogin: false,
  initializeChecksSoPin: false,
  oneLogin: true,
  lastTryAnswersBlocked: true,
  checksPinRules: false,
  kcvNeedsLogin: true,
  pendingSharesBlockKeys: false,
  overwritesKeys: true,
  writesDescriptions: true,
  updateReplaces: true,
  ecdhTellsY: false,
  pssTakesDigestInfo: true,
  mostPublicKeys: 8,
  checksRegisteredKeys: false,
  oneChallengeForAll: true,
  sw: {
    malformed: SW.wrongLength,
    algorithmNotAllowed: SW.conditionsNotSatisfied,
    counterUsedUp: SW.notEnoughMemory,
    optionNotSet: SW.noCurrentFile,
    soPinNotVerified: SW.conditionsNotSatisfied,
    noKey: SW.fileNotFound,
    wrongKeyType: 0x6400,
    publicKeysNotConfigured: SW.wrongP1P2,
    noSigner: SW.referencedDataNotFound,
    wrongSignature: SW.conditionsNotSatisfied,
    malformedCertificate: SW.referenceDataNotUsable,
    wrongAnswer: SW.conditionsNotSatisfied,
    initializeWrongSoPin: SW.conditionsNotSatisfied,
    shareNotExpected: SW.noCurrentFile,
    domainPending: SW.referencedDataNotFound,
    malformedBlob: 0x6400,
    unknownCurve: 0x6400,
    memoryFull: SW.memoryFailure,
    wrongReference: SW.referencedDataNotFound,
  },
};

export const profiles: Readonly<Record<ProfileName, CardProfile>> = { genuine, pico };
