import { type CommandApdu, decodeCommand } from "../apdu/command.ts";
import { encodeResponse, type ResponseApdu } from "../apdu/response.ts";
import { SW } from "../apdu/status-word.ts";
import { HsmError } from "../errors.ts";
import { fitAnswer, getResponse, getResponseInstruction, joinChain } from "./answer.ts";
import { type Card, ok, Refusal } from "./card.ts";
import { commands } from "./commands/table.ts";
import { factoryIdentity } from "./device-identity.ts";
import { type CardProfile, type ProfileName, profiles } from "./profile.ts";
import { forgetLogins, newSession, type Session } from "./session.ts";
import { decodeState, encodeState, type TokenStateFile } from "./state-file.ts";
import { blankState, type TokenState } from "./token-state.ts";
import type { SimulatorWorld } from "./world.ts";

/** Called with the whole state after every change, before the command that made it answers. Throws to refuse. */
export type StateSaver = (state: TokenStateFile) => void | Promise<void>;

/**
 * A SmartCard-HSM in software: bytes in, bytes out. It protects nothing: its keys and PINs lie in the open in its state.
 * Written from reference/smartcard-hsm; it shares no command code with the driver in `cards/`.
 */
export class SimulatedToken implements Card {
  readonly profile: CardProfile;
  readonly world: SimulatorWorld;
  /** Set by whoever keeps the state; unset, the token lives in memory only. */
  onChange: StateSaver | undefined;
  /** What went wrong inside, for tests: a command that ends in it was answered 6F00. */
  lastFault: unknown;
  #state: TokenState;
  #session: Session = newSession();
  #saved: TokenStateFile | undefined;
  #dirty = false;

  private constructor(state: TokenState, world: SimulatorWorld) {
    this.#state = state;
    this.world = world;
    this.profile = profiles[state.profile];
  }

  /** A token as it leaves the factory: never initialised. */
  static create(world: SimulatorWorld, { profile }: { readonly profile: ProfileName }): SimulatedToken {
    return new SimulatedToken(blankState(profile, profile === "genuine" ? factoryIdentity(world) : null), world);
  }

  /** @throws HsmError `TOKEN_FILE_INVALID` when the state is not one of ours, or was damaged */
  static restore(state: unknown, world: SimulatorWorld): SimulatedToken {
    return new SimulatedToken(decodeState(state), world);
  }

  get state(): TokenState {
    return this.#state;
  }

  get session(): Session {
    return this.#session;
  }

  /** Everything that survives power loss, as JSON. */
  serialize(): TokenStateFile {
    return encodeState(this.#state);
  }

  /** Power on after power off, and the reader's reset. @returns the ATR */
  reset(): Uint8Array {
    const { userLogin, soLogin, pinVerified, keyLogin } = this.#session;
    this.#session = newSession();
    if (!this.profile.resetEndsLogin) Object.assign(this.#session, { userLogin, soLogin, pinVerified, keyLogin });
    return this.profile.atr;
  }

  powerOn(): Uint8Array {
    return this.reset();
  }

  /**
   * One command APDU. Whatever the bytes are, the answer has at least a status word; nothing is ever thrown.
   * Not for two commands at once: the channel sees to that.
   */
  async transceive(bytes: Uint8Array): Promise<Uint8Array> {
    let response: ResponseApdu;
    try {
      response = await this.#execute(bytes);
    } catch (error) {
      response = { data: new Uint8Array(0), sw: this.#statusOf(error) };
    }
    if (this.#dirty) {
      try {
        await this.save();
      } catch {
        response = { data: new Uint8Array(0), sw: SW.memoryFailure };
      }
    }
    return encodeResponse(response);
  }

  changed(): void {
    this.#dirty = true;
  }

  async save(): Promise<void> {
    this.#dirty = false;
    if (this.onChange === undefined) return;
    const state = this.serialize();
    try {
      await this.onChange(state);
      this.#saved = state;
    } catch (error) {
      this.lastFault = error;
      this.#forgetSince();
      throw new Refusal(SW.memoryFailure);
    }
  }

  /** Whoever keeps the state has this already: it is what a failed save goes back to. */
  markSaved(): void {
    this.#saved = this.serialize();
  }

  async #execute(bytes: Uint8Array): Promise<ResponseApdu> {
    if (bytes.length > this.profile.maxCommand) throw new Refusal(SW.wrongLength);
    const part = parse(bytes);
    if (this.profile.chaining && part.ins === getResponseInstruction) return getResponse(this, part);
    this.#session.pendingAnswer = noBytes;
    const command = joinChain(this, part);
    if (command === null) return ok();
    const entry = commands.get(command.ins);
    if (!this.profile.anyClass && command.cla !== 0x00 && command.cla !== 0x80) throw new Refusal(SW.claNotSupported);
    if ((command.cla & 0x6c) !== 0) throw new Refusal(SW.claNotSupported);
    if (entry === undefined) throw new Refusal(SW.insNotSupported);
    if (!this.profile.anyClass && entry.cla !== command.cla) throw new Refusal(SW.claNotSupported);
    if (!this.#session.selected && command.ins !== 0xa4) throw new Refusal(SW.insNotSupported);
    return fitAnswer(this, command, await entry.run(this, command));
  }

  #statusOf(error: unknown): number {
    if (error instanceof Refusal) return error.sw;
    if (error instanceof HsmError && error.code === "TLV_INVALID") return this.profile.sw.malformed;
    this.lastFault = error;
    return SW.unknown;
  }

  /** The state goes back to what is on disk, and nobody is logged in. */
  #forgetSince(): void {
    if (this.#saved === undefined) return;
    this.#state = decodeState(this.#saved);
    forgetLogins(this.#session);
  }
}

const noBytes = new Uint8Array(0);

function parse(bytes: Uint8Array): CommandApdu {
  try {
    return decodeCommand(bytes);
  } catch {
    throw new Refusal(SW.wrongLength);
  }
}
