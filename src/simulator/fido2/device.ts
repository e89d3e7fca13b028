import type { SimulatorWorld } from "../world.ts";
import type { AuthenticatorState } from "./authenticator-state.ts";
import type { RequestMap } from "./cbor.ts";
import type { AuthenticatorProfile } from "./profile.ts";
import type { AuthenticatorSession } from "./session.ts";

/** Why somebody is to touch the authenticator. */
export interface TouchRequest {
  readonly why: "register" | "use" | "select" | "reset" | "load";
  /** Whose credential is made or used. */
  readonly rpId?: string | undefined;
}

/** Somebody at the authenticator. */
export type Touch = (request: TouchRequest) => Promise<"touched" | "denied" | "timeout">;

/** What a command has to work with. */
export interface Device {
  readonly profile: AuthenticatorProfile;
  readonly world: SimulatorWorld;
  readonly state: AuthenticatorState;
  readonly session: AuthenticatorSession;
  /** The state was changed: it is saved before the command answers. */
  changed(): void;
  /** Saves the state now. @throws CtapRefusal 7F when it could not be saved; the state is then what it was before */
  save(): Promise<void>;
  /** Waits for a touch. @throws CtapRefusal 27 refused, 2F nobody came, 2D cancelled by the platform */
  touch(request: TouchRequest): Promise<void>;
  /** Never goes on, and says that it works, until the power goes. */
  hang(): Promise<never>;
  /** As from the factory, with another master key. Ends what the session holds. */
  becomeNew(): void;
}

/**
 * One command of the authenticator.
 * @returns the CBOR of the answer, nothing where there is none
 * @throws CtapRefusal for any status but 00
 */
export type CtapCommand = (device: Device, request: RequestMap) => Promise<Uint8Array | undefined>;
