import type { ProfileName } from "./profile.ts";

/** Everything of a token that survives power loss. What it forgets is in `session.ts`. */
export interface TokenState {
  readonly profile: ProfileName;
  /** Key CC00 and EF 2F02. A genuine token has it from the factory, a pico makes it when it is initialised. */
  device: DeviceIdentity | null;
  initialised: boolean;
  /** The 16 option bits of INITIALIZE (reference 01 section 1.4). */
  options: number;
  /** The user PIN was set as a transport PIN and not changed since. */
  transportPin: boolean;
  userPin: StoredPin | null;
  soPin: StoredPin | null;
  /** Public key authentication: keys that may be registered, and how many must answer. */
  publicKeys: PublicKeyLogin | null;
  /** By index; `null`: there is room for the domain, but it was not created. Empty: no key can ever leave. */
  keyDomains: (KeyDomain | null)[];
  /** By key id (01-FF). */
  keys: Map<number, StoredKey>;
  /** By file id; keys and EF 2F02 are not among them. */
  files: Map<number, Uint8Array>;
}

export interface DeviceIdentity {
  readonly chr: string;
  readonly curve: string;
  /** Private scalar. */
  readonly scalar: Uint8Array;
  /** Content of EF 2F02. */
  readonly certificates: Uint8Array;
}

export interface StoredPin {
  value: Uint8Array;
  readonly tries: number;
  triesLeft: number;
}

export interface PublicKeyLogin {
  readonly total: number;
  readonly required: number;
  /** By index, without gaps. */
  readonly registered: RegisteredKey[];
}

/** Public key of a custodian. */
export interface RegisteredKey {
  /** CHR of the custodian's key, not of the device it is on. */
  readonly chr: string;
  readonly curve: string;
  /** Uncompressed. */
  readonly point: Uint8Array;
}

export interface KeyDomain {
  readonly shares: number;
  outstanding: number;
  /** XOR of the shares so far; the key when none is outstanding. */
  key: Uint8Array;
}

export interface KeyRules {
  /** Uses left; `undefined`: without limit. */
  usesLeft: number | undefined;
  /** Permitted algorithm ids; empty: all that fit the key. */
  readonly algorithms: Uint8Array;
  readonly domain: number;
}

export type StoredKey =
  | { readonly kind: "rsa"; readonly pkcs8: Uint8Array; readonly rules: KeyRules }
  | { readonly kind: "ec"; readonly curve: string; readonly scalar: Uint8Array; readonly rules: KeyRules }
  | { readonly kind: "aes"; readonly value: Uint8Array; readonly rules: KeyRules };

/** Option bits. */
export const options = {
  resetRetryCounter: 0x0001,
  transportPin: 0x0002,
  replaceKeys: 0x0008,
  combined: 0x0010,
  resetOnly: 0x0020,
} as const;

/** File ids (reference 03 section 3.1). */
export const fid = {
  deviceCertificates: 0x2f02,
  tokenInfo: 0x2f03,
  scratch: 0x2f10,
  directory: 0x2f00,
  objectDirectory: 0x5031,
} as const;

/** High bytes of file ids; the low byte is the key id or a number. */
export const prefix = {
  description: 0xc4,
  caDescription: 0xc8,
  dataDescription: 0xc9,
  caCertificate: 0xca,
  key: 0xcc,
  privateData: 0xcd,
  certificate: 0xce,
  publicData: 0xcf,
} as const;

export function blankState(profile: ProfileName, device: DeviceIdentity | null): TokenState {
  return {
    profile,
    device,
    initialised: false,
    options: 0,
    transportPin: false,
    userPin: null,
    soPin: null,
    publicKeys: null,
    keyDomains: [],
    keys: new Map(),
    files: new Map(),
  };
}
