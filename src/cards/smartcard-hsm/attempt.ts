import { SW, triesLeftIn } from "../../apdu/status-word.ts";
import { TransportError } from "../../apdu/transport-error.ts";
import { equal } from "../../bytes/bytes.ts";
import { HsmError } from "../../errors.ts";
import { noAnswer, notSent, refusedBefore, tooFewTries, wrongPin } from "./attempt-errors.ts";
import type { AttemptPolicy } from "./attempt-policy.ts";
import { type AttemptCommand, queryPin } from "./pin-commands.ts";
import type { PinKind } from "./pins.ts";
import { refusal } from "./refusals.ts";
import type { Session } from "./session.ts";
import type { PinState } from "./token-status.ts";

/**
 * A value, or how to get it: a prompt that tells the tries left. Then it is called once, after the counter was read
 * and found high enough.
 */
export type OnceCounted<Value> = Value | ((counter: PinState) => Promise<Value>);

/** A PIN, checked on the host, and the one command that carries it. */
export interface Presentation {
  readonly pin: Uint8Array;
  readonly command: AttemptCommand;
}

export interface Attempt {
  /** The PIN that is presented, and whose counter a failure costs. */
  readonly which: PinKind;
  readonly present: (counter: PinState) => Promise<Presentation>;
  /** States besides `ready` in which it is sent: INITIALIZE sets the SO-PIN of a new token, CHANGE ends a transport PIN. */
  readonly alsoIn?: "uninitialised" | "transport" | undefined;
}

/** Stands for the counter of a transport PIN, which the token does not tell: see `RefusedPinMemory`. */
const hiddenCounter = -1;

/**
 * The one gate through which every PIN goes to a card. The counter is read, the floor and the memory of refused PINs
 * are asked, then the command is sent once. Nothing here or below sends it again: not after a reset, not after a
 * timeout. The exception is INITIALIZE answered 6A84 (memory still being freed), once, and only when the SO-PIN
 * counter has been read again and did not move.
 */
export class AttemptGate {
  readonly #session: Session;
  readonly #policy: AttemptPolicy;
  readonly #tokenKey: () => Promise<string>;
  readonly #admit: () => Promise<void>;
  /** The last refused PIN of this run, so that it is not sent twice where no ledger is kept. */
  readonly #refused = new Map<PinKind, { pin: Uint8Array; triesLeft: number | null }>();

  /**
   * @param tokenKey reads the identity of the token, which also names it in messages
   * @param admit throws when this token may not be given a PIN
   */
  constructor(
    session: Session,
    policy: AttemptPolicy,
    tokenKey: () => Promise<string>,
    admit: () => Promise<void> = async () => undefined,
  ) {
    this.#admit = admit;
    this.#session = session;
    this.#policy = policy;
    this.#tokenKey = tokenKey;
  }

  /**
   * Presents a PIN once.
   * @throws HsmError `TRIES_FLOOR`, `PIN_REFUSED_BEFORE`, `TRANSPORT_PIN`, `NOT_INITIALISED`, `COUNTER_UNREADABLE`
   *   (refused) and `USER_PIN_BLOCKED`, `SO_PIN_BLOCKED` (blocked): the PIN was not sent
   * @throws HsmError `PIN_WRONG`, `SO_PIN_WRONG` (authentication), with the tries left
   * @throws TransportError when no answer came: the try may have been counted
   */
  async run(attempt: Attempt): Promise<void> {
    const { which } = attempt;
    const key = await this.#tokenKey();
    await this.#admit();
    const before = await this.#readCounter(which);
    const mustAsk = await this.#maySend(attempt, before);
    const { pin, command } = await attempt.present(before);
    if (mustAsk) await this.#refuseRefused(which, pin, before, key);
    let sw = await this.#sendOnce(which, command);
    if (sw === SW.notEnoughMemory && command.name === "INITIALIZE DEVICE") {
      const now = await this.#readCounter(which);
      if (now.state === before.state && now.triesLeft === before.triesLeft) sw = await this.#sendOnce(which, command);
    }
    if (sw === SW.ok) return this.#accepted(which, key);
    const after = await this.#triesAfter(which, command, sw);
    const hidden = before.state === "transport";
    const counted = before.triesLeft !== null && after !== null && after < before.triesLeft;
    if (!counted && triesLeftIn(sw) === undefined && sw !== SW.authenticationBlocked) {
      throw refusal(command.name, sw, this.#session.token);
    }
    this.#refused.set(which, { pin: pin.slice(), triesLeft: after });
    let cause: unknown;
    try {
      if (key !== "") await this.#policy.memory?.noteRefused(key, which, pin, hidden ? hiddenCounter : after);
    } catch (error) {
      // The refusal matters more than the note of it, which this run keeps anyway.
      cause = error;
    }
    throw wrongPin(this.#session, { which, pin, triesLeft: after, cause });
  }

  /** The counter as it is now. A PIN that is verified hides it: then the login is ended, which presenting a PIN does anyway. */
  async #readCounter(which: PinKind): Promise<PinState> {
    const query = queryPin(which, this.#session.application.options === null);
    const state = await this.#session.send(query);
    if (state.state !== "verified") return state;
    await this.#session.select();
    return this.#session.send(query);
  }

  /**
   * Judges by the counter alone, before anybody is asked for the PIN.
   * @returns whether a failure would cost a try, so that the PIN itself has to be judged too
   */
  async #maySend({ which, alsoIn }: Attempt, before: PinState): Promise<boolean> {
    const session = this.#session;
    if (before.state === "uninitialised" && alsoIn === "uninitialised") return false;
    if (alsoIn === "uninitialised" && before.state === "unreadable" && (await this.#neverInitialised())) return false;
    if (before.state !== "ready" && !(before.state === "transport" && alsoIn === "transport")) {
      throw notSent(session, which, before);
    }
    const tries = this.#triesBefore(which, before);
    const floor = which === "user-pin" ? this.#policy.minTries : this.#policy.minSoTries;
    if (tries !== null && tries - 1 < floor) throw tooFewTries(session, which, tries, floor);
    return true;
  }

  /** A transport PIN hides its counter. What a refusal in this run told is then the best there is. */
  #triesBefore(which: PinKind, before: PinState): number | null {
    return before.state === "transport" ? (this.#refused.get(which)?.triesLeft ?? null) : before.triesLeft;
  }

  async #refuseRefused(which: PinKind, pin: Uint8Array, before: PinState, key: string): Promise<void> {
    const tries = this.#triesBefore(which, before);
    const last = this.#refused.get(which);
    const sameAsLast =
      last !== undefined && equal(last.pin, pin) && (before.state === "transport" || last.triesLeft === tries);
    const remembered = async (): Promise<boolean> =>
      key !== "" &&
      (await this.#policy.memory?.wasRefused(key, which, pin, before.triesLeft ?? hiddenCounter)) === true;
    if (sameAsLast || (await remembered())) throw refusedBefore(this.#session, which, pin, tries);
  }

  /** v1.x does not know the query of the SO-PIN, but says of the user PIN that it was never set. */
  async #neverInitialised(): Promise<boolean> {
    if (this.#session.application.options !== null) return false;
    return (await this.#session.send(queryPin("user-pin", true))).state === "uninitialised";
  }

  async #sendOnce(which: PinKind, command: AttemptCommand): Promise<number> {
    this.#session.noteLogout();
    try {
      return await this.#session.send(command, "attempt");
    } catch (error) {
      // Interrupted between two exchanges: this one was never sent.
      if (!(error instanceof HsmError) || error.kind === "interrupted") throw error;
      throw noAnswer(this.#session, which, command.name, error);
    }
  }

  /** The counter after a refusal: from the status word, else read again, which costs nothing. */
  async #triesAfter(which: PinKind, command: AttemptCommand, sw: number): Promise<number | null> {
    const told = sw === SW.authenticationBlocked ? 0 : triesLeftIn(sw);
    if (told !== undefined) return told;
    try {
      return (await this.#session.send(queryPin(which))).triesLeft;
    } catch (error) {
      if (error instanceof TransportError) throw noAnswer(this.#session, which, command.name, error);
      throw error;
    }
  }

  async #accepted(which: PinKind, key: string): Promise<void> {
    this.#refused.delete(which);
    try {
      if (key !== "") await this.#policy.memory?.noteAccepted(key, which);
    } catch {
      // The token did what was asked: an old note that could not be removed must not make this look like a failure.
    }
  }

  /** The user PIN was replaced by way of the SO-PIN: what was refused before says nothing about the new one. */
  async forget(which: PinKind): Promise<void> {
    await this.#accepted(which, await this.#tokenKey());
  }
}
