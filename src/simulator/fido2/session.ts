import type { SimulatorWorld } from "../world.ts";
import type { Credential } from "./credential.ts";
import { newKeyPair } from "./p256.ts";
import { type LockSession, newLockSession } from "./pico/lock-session.ts";
import type { KeyAgreement } from "./pin-protocol.ts";
import type { PinToken } from "./pin-token.ts";

/** What an authenticator forgets when it loses power. */
export interface AuthenticatorSession {
  /** Milliseconds since 1970. */
  readonly poweredOn: number;
  /** New at power-up and after every wrong PIN. */
  keyAgreement: KeyAgreement;
  /** Wrong PINs in a row: after three only a power cycle helps. */
  wrongPins: number;
  /** The one pinUvAuthToken in use. */
  token: PinToken | null;
  /** What getNextAssertion goes on with. */
  pending: PendingAssertions | null;
  /** Of authenticators with a lock. */
  readonly lock: LockSession;
}

export interface PendingAssertions {
  readonly rest: readonly Credential[];
  readonly answer: (credential: Credential) => Promise<Uint8Array>;
}

export function newAuthenticatorSession(world: SimulatorWorld): AuthenticatorSession {
  return {
    poweredOn: world.now().getTime(),
    keyAgreement: newKeyPair(world.random),
    wrongPins: 0,
    token: null,
    pending: null,
    lock: newLockSession(),
  };
}
