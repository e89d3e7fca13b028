import { HsmError } from "../../errors.ts";
import { getPinRetries, getPinToken, getTokenUsingPin, type PinRetries, type TokenPermissions } from "./client-pin.ts";
import type { CtapCommand } from "./ctap-command.ts";
import { ctapStatus, ctapStatusOf } from "./ctap-status.ts";
import type { Fido2Session } from "./fido2-session.ts";
import { fidoPinBytes, pinHash } from "./pin-bytes.ts";
import { pinNeeded, pinRefused, pinUnderWay, refusedByCounter, secondTry } from "./pin-errors.ts";
import type { SharedSecret } from "./shared-secret.ts";

/** How careful the driver is with tries. */
export interface FidoPinPolicy {
  /** Tries that must remain after a failure. */
  readonly minTries: number;
}

export const defaultFidoPinPolicy: FidoPinPolicy = { minTries: 1 };

/**
 * A PIN in UTF-8, or how to get it: a prompt that tells the tries left. Then it is called once, after the counter was
 * read and found high enough. Whoever gives the bytes overwrites them.
 */
export type FidoPin = Uint8Array | ((counter: PinRetries) => Promise<Uint8Array>);

/**
 * The one gate through which every PIN goes to an authenticator. The counter is read and the floor is asked, then the
 * PIN is sent once, under a key agreement made for it: the token changes its key after a wrong PIN, and then even the
 * right one under the old key would cost a try. After a refusal this run presents nothing to this token any more.
 *
 * An accepted PIN is kept as its hash until {@link forget}, since each operation needs a token of its own. There is no
 * memory of refused PINs across runs, as the SmartCard-HSM has one: an authenticator has no name to keep it under.
 */
export class PinGate {
  readonly #session: Fido2Session;
  readonly #policy: FidoPinPolicy;
  #accepted: Uint8Array | undefined;
  #refused = false;

  constructor(session: Fido2Session, policy: FidoPinPolicy) {
    this.#session = session;
    this.#policy = policy;
  }

  /** Whether a PIN was accepted, so that none needs to be given again. */
  get open(): boolean {
    return this.#accepted !== undefined;
  }

  /**
   * Gets a pinUvAuthToken for the PIN, 16 or 32 bytes, and the key agreement it was made under. The caller wipes both.
   * @throws HsmError `TRIES_FLOOR`, `PIN_REFUSED_BEFORE` (refused), `FIDO_PIN_BLOCKED`, `FIDO_PIN_PAUSED` (blocked):
   *   the PIN was not sent; `FIDO_PIN_WRONG` (authentication), with the tries left
   */
  async token(
    need: TokenPermissions,
    pin: FidoPin | undefined,
  ): Promise<{ readonly token: Uint8Array; readonly secret: SharedSecret }> {
    const withPermissions = this.#session.option("pinUvAuthToken") === true;
    const { result, secret } = await this.present(pin, async (under, hash) => {
      return withPermissions ? getTokenUsingPin(under, hash, need) : getPinToken(under, hash);
    });
    return { token: result, secret };
  }

  /**
   * Presents the PIN once, in the command made of its hash. The key agreement is made when the PIN is there: while it is
   * typed, a wrong one given to another program would make a key fetched before stale, and the right one cost a try.
   */
  async present<Result>(
    pin: FidoPin | undefined,
    commandOf: (under: SharedSecret, hash: Uint8Array) => Promise<CtapCommand<Result>>,
  ): Promise<{ readonly result: Result; readonly secret: SharedSecret }> {
    const { token } = this.#session;
    if (this.#refused) throw secondTry(token);
    const counter = await this.counter();
    const forbidden = refusedByCounter(token, counter, this.#policy.minTries);
    if (forbidden !== undefined) throw forbidden;
    const hash = this.#accepted ?? (await hashOf(pin, counter, token));
    let secret: SharedSecret | undefined;
    try {
      secret = await this.#session.agree();
      const result = await this.#send(await commandOf(secret, hash), counter);
      this.#accepted = hash;
      return { result, secret };
    } catch (error) {
      secret?.wipe();
      throw error;
    } finally {
      if (this.#accepted !== hash) hash.fill(0);
    }
  }

  /** Reads the counter, which costs nothing. */
  counter(): Promise<PinRetries> {
    return this.#session.call(getPinRetries(this.#session.protocol));
  }

  /** Overwrites the accepted PIN's hash: at the end, and where the PIN is another one now. */
  forget(): void {
    this.#accepted?.fill(0);
    this.#accepted = undefined;
  }

  async #send<Result>(command: CtapCommand<Result>, before: PinRetries): Promise<Result> {
    const { token } = this.#session;
    try {
      return await this.#session.call(command);
    } catch (error) {
      this.forget();
      const status = ctapStatusOf(error);
      this.#refused = status === undefined || pinWasJudged.has(status);
      if (status === undefined) throw pinUnderWay(token, error);
      const left = await this.#left();
      // Also where the status speaks of something else: a counter that moved says that the PIN was judged.
      if (left !== undefined && left < before.retries) this.#refused = true;
      throw pinRefused(token, command.name, status, left);
    }
  }

  /** The tries left after a refusal; `undefined` when they cannot be read, which matters less than the refusal. */
  async #left(): Promise<number | undefined> {
    try {
      return (await this.counter()).retries;
    } catch (error) {
      if (error instanceof HsmError) return undefined;
      throw error;
    }
  }
}

const pinWasJudged: ReadonlySet<number> = new Set([
  ctapStatus.pinInvalid,
  ctapStatus.pinBlocked,
  ctapStatus.pinAuthBlocked,
  ctapStatus.pinAuthInvalid,
]);

async function hashOf(pin: FidoPin | undefined, counter: PinRetries, token: string): Promise<Uint8Array> {
  if (pin === undefined) throw pinNeeded(token);
  const bytes = fidoPinBytes(pin instanceof Uint8Array ? pin : await pin(counter));
  try {
    return pinHash(bytes);
  } finally {
    bytes.fill(0);
  }
}
