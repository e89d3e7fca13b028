import type { PinKind } from "./pins.ts";
import type { PossessionProof } from "./public-key-authentication/chip-authentication.ts";
import type { DeviceEvidence } from "./token-status.ts";

/** How careful the driver is with tries. */
export interface AttemptPolicy {
  /** User PIN tries that must remain after a failure. */
  readonly minTries: number;
  /** SO-PIN tries that must remain after a failure. */
  readonly minSoTries: number;
  readonly memory?: RefusedPinMemory | undefined;
  /**
   * Whether this token may be given a PIN at all; asked once for each session, before the first one. Throws when not.
   * @param prove has the token prove that it has its device key
   */
  readonly admit?: ((evidence: DeviceEvidence, prove: () => Promise<PossessionProof>) => Promise<void>) | undefined;
}

export const defaultAttemptPolicy: AttemptPolicy = { minTries: 1, minSoTries: 3 };

/**
 * Remembers the last refused PIN of each token, so that the same wrong PIN is not sent twice by two commands.
 * `token` is `TokenIdentity.key`: serials of independent cards collide.
 */
export interface RefusedPinMemory {
  /**
   * Whether this very PIN was refused last. An entry counts only while the counter is what it was after that refusal.
   * @param triesLeft the counter as just read; -1 where the token does not tell it (transport PIN)
   */
  wasRefused(token: string, which: PinKind, pin: Uint8Array, triesLeft: number): Promise<boolean>;
  /** @param triesLeft the counter after the refusal; `null` where it could not be read */
  noteRefused(token: string, which: PinKind, pin: Uint8Array, triesLeft: number | null): Promise<void>;
  noteAccepted(token: string, which: PinKind): Promise<void>;
}
