import { SW } from "../../apdu/status-word.ts";
import { concat } from "../../bytes/bytes.ts";
import type { SimulatorWorld } from "../world.ts";
import { ApduLink } from "./apdu-link.ts";
import { type AuthenticatorStateFile, decodeAuthenticator, encodeAuthenticator } from "./authenticator-file.ts";
import { type AuthenticatorState, blankAuthenticator } from "./authenticator-state.ts";
import { RequestMap } from "./cbor.ts";
import { ctapCommands } from "./commands/table.ts";
import { CtapRefusal, ctapStatus } from "./ctap-status.ts";
import type { Device, Touch, TouchRequest } from "./device.ts";
import { runVendorCommand } from "./pico/vendor-commands.ts";
import { type AuthenticatorProfile, authenticatorProfiles } from "./profile.ts";
import type { AuthenticatorProfileName } from "./profile-names.ts";
import { type AuthenticatorSession, newAuthenticatorSession } from "./session.ts";

export interface AuthenticatorOptions {
  /** Who touches it; absent: it touches itself. */
  readonly touch?: Touch | undefined;
}

export interface CtapOptions {
  /** Told when the authenticator waits for a touch: 2. */
  readonly onKeepAlive?: ((status: number) => void) | undefined;
  /** Cancels: the answer is then 2D. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * A FIDO2 authenticator in software: CTAP2 messages or APDUs in, answers out. It protects nothing: its keys lie in the
 * open in its state. Written from the CTAP2 reference; it shares no command code with the driver in `cards/`.
 */
export class SimulatedAuthenticator implements Device {
  readonly profile: AuthenticatorProfile;
  readonly world: SimulatorWorld;
  /** Called with the whole state after every change, before the command that made it answers. Throws to refuse. */
  onChange: ((state: AuthenticatorStateFile) => void | Promise<void>) | undefined;
  /** What went wrong inside, for tests: a command that ends in it was answered 7F. */
  lastFault: unknown;
  #state: AuthenticatorState;
  #session: AuthenticatorSession;
  #saved: AuthenticatorStateFile;
  #dirty = false;
  /** Ends what only power ends. */
  #hanging: (() => void) | null = null;
  #running: CtapOptions | null = null;
  readonly #touch: Touch;
  readonly #link: ApduLink = new ApduLink(this);

  private constructor(state: AuthenticatorState, world: SimulatorWorld, { touch }: AuthenticatorOptions) {
    this.#state = state;
    this.world = world;
    this.profile = authenticatorProfiles[state.profile];
    this.#touch = touch ?? (async () => "touched");
    this.#session = newAuthenticatorSession(world);
    this.#saved = encodeAuthenticator(state);
  }

  /** An authenticator as from the factory: no PIN, no credentials. */
  static create(
    world: SimulatorWorld,
    { profile = "standard", ...options }: AuthenticatorOptions & { readonly profile?: AuthenticatorProfileName } = {},
  ): SimulatedAuthenticator {
    return new SimulatedAuthenticator(blankAuthenticator(profile, world), world, options);
  }

  /** @throws HsmError `TOKEN_FILE_INVALID` when the state is not one of ours, or was damaged */
  static restore(state: unknown, world: SimulatorWorld, options: AuthenticatorOptions = {}): SimulatedAuthenticator {
    return new SimulatedAuthenticator(decodeAuthenticator(state), world, options);
  }

  get state(): AuthenticatorState {
    return this.#state;
  }

  get session(): AuthenticatorSession {
    return this.#session;
  }

  /** Everything that survives power loss, as JSON. */
  serialize(): AuthenticatorStateFile {
    return encodeAuthenticator(this.#state);
  }

  /** Power on after power off, and the reader's reset. A command at work is given up. @returns the ATR */
  reset(): Uint8Array {
    this.powerOff();
    this.#session = newAuthenticatorSession(this.world);
    return this.profile.atr;
  }

  /** What is worked on is given up. */
  powerOff(): void {
    this.#link.powerOff();
    if (this.#hanging === null) return;
    this.#hanging();
    this.#running = null;
  }

  powerOn(): Uint8Array {
    return this.reset();
  }

  /** One command APDU. Whatever the bytes are, the answer has at least a status word; nothing is ever thrown. */
  async transceive(command: Uint8Array): Promise<Uint8Array> {
    return this.#link.transceive(command);
  }

  /**
   * One CTAP2 message: command byte and CBOR map.
   * @returns status byte and CBOR map; 06 while another message is being worked on. Nothing is ever thrown
   */
  async ctap(message: Uint8Array, options: CtapOptions = {}): Promise<Uint8Array> {
    return this.#alone(() => this.#execute(message), options);
  }

  /** As {@link ctap}, for a message of the maker's own commands: 01 where there are none. */
  async vendor(message: Uint8Array, options: CtapOptions = {}): Promise<Uint8Array> {
    return this.#alone(async () => (await runVendorCommand(this, message)) ?? new Uint8Array(0), options);
  }

  async #alone(work: () => Promise<Uint8Array>, options: CtapOptions): Promise<Uint8Array> {
    if (this.#running !== null) return Uint8Array.of(ctapStatus.channelBusy);
    this.#running = options;
    let answer: Uint8Array;
    try {
      answer = concat(Uint8Array.of(ctapStatus.ok), await work());
    } catch (error) {
      answer = Uint8Array.of(this.#statusOf(error));
    }
    try {
      if (this.#dirty) await this.save();
    } catch {
      answer = Uint8Array.of(ctapStatus.other);
    }
    if (this.#running === options) this.#running = null;
    return answer;
  }

  changed(): void {
    this.#dirty = true;
  }

  async save(): Promise<void> {
    this.#dirty = false;
    const state = this.serialize();
    try {
      await this.onChange?.(state);
      this.#saved = state;
    } catch (error) {
      this.lastFault = error;
      this.#state = decodeAuthenticator(this.#saved);
      this.#session = newAuthenticatorSession(this.world);
      throw new CtapRefusal(ctapStatus.other);
    }
  }

  async touch(request: TouchRequest): Promise<void> {
    const { signal, onKeepAlive } = this.#running ?? {};
    if (signal?.aborted) throw new CtapRefusal(ctapStatus.keepAliveCancel);
    const somebody = this.#touch(request);
    onKeepAlive?.(waitingForTouch);
    const outcome = await Promise.race([somebody, cancelled(signal)]);
    // A reset in between took the power away: what the command would do now is not done.
    if (signal?.aborted || outcome === "cancelled") throw new CtapRefusal(ctapStatus.keepAliveCancel);
    if (outcome === "denied") throw new CtapRefusal(ctapStatus.operationDenied);
    if (outcome === "timeout") throw new CtapRefusal(ctapStatus.userActionTimeout);
  }

  async hang(): Promise<never> {
    this.#running?.onKeepAlive?.(processing);
    await new Promise<void>((resolve) => {
      this.#hanging = resolve;
    });
    this.#hanging = null;
    throw new CtapRefusal(ctapStatus.other);
  }

  becomeNew(): void {
    this.#state = blankAuthenticator(this.profile.name, this.world);
    // A lock's memory is not looked at: a key that was unlocked goes on being used.
    this.#session = {
      ...newAuthenticatorSession(this.world),
      poweredOn: this.#session.poweredOn,
      lock: this.#session.lock,
    };
    if (this.profile.resetDeselects) this.#link.deselect(SW.insNotSupported);
    this.#dirty = true;
  }

  async #execute(message: Uint8Array): Promise<Uint8Array> {
    const [number] = message;
    if (number === undefined) throw new CtapRefusal(ctapStatus.invalidLength);
    if (message.length > this.profile.maxMessage) throw new CtapRefusal(ctapStatus.requestTooLarge);
    const command = ctapCommands.get(number);
    if (command === undefined) throw new CtapRefusal(ctapStatus.invalidCommand);
    if (number !== getNextAssertion) this.#session.pending = null;
    return (await command(this, RequestMap.parse(message.subarray(1)))) ?? new Uint8Array(0);
  }

  #statusOf(error: unknown): number {
    if (error instanceof CtapRefusal) return error.status;
    this.lastFault = error;
    return ctapStatus.other;
  }
}

const getNextAssertion = 0x08;
/** Status of a keep-alive. */
const processing = 1;
const waitingForTouch = 2;

function cancelled(signal: AbortSignal | undefined): Promise<"cancelled"> {
  return new Promise((resolve) => {
    signal?.addEventListener("abort", () => resolve("cancelled"), { once: true });
  });
}
