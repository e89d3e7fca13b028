import type { SimulatorWorld } from "../world.ts";
import type { AuthenticatorProfileName } from "./profile-names.ts";

/** What an authenticator keeps without power. */
export interface AuthenticatorState {
  profile: AuthenticatorProfileName;
  /** Every credential's keys come from it; authenticatorReset makes another one. 32 bytes. */
  masterKey: Uint8Array;
  /** What the master key became under a lock, or a backup that was loaded: `masterKey` is then empty. */
  sealedKey: Uint8Array | null;
  /** One counter for all credentials. */
  signatures: number;
  pin: AuthenticatorPin | null;
  alwaysUv: boolean;
  /** Discoverable credentials, oldest first. */
  residents: ResidentCredential[];
}

export interface AuthenticatorPin {
  /** First 16 bytes of SHA-256(PIN): nothing else comes to an authenticator later on. */
  hash: Uint8Array;
  triesLeft: number;
}

export interface ResidentCredential {
  readonly id: Uint8Array;
  readonly rpId: string;
  readonly user: CredentialUser;
}

export interface CredentialUser {
  readonly id: Uint8Array;
  readonly name?: string | undefined;
  readonly displayName?: string | undefined;
}

/** Wrong PINs in all (reference section 6.4). */
export const pinTries = 8;

export function blankAuthenticator(profile: AuthenticatorProfileName, world: SimulatorWorld): AuthenticatorState {
  return {
    profile,
    masterKey: world.random(32),
    sealedKey: null,
    signatures: 0,
    pin: null,
    alwaysUv: false,
    residents: [],
  };
}
