import type { SimulatedAuthenticator } from "./authenticator.ts";
import { foreignChannel, type HidFaults } from "./ctaphid-faults.ts";
import type { HidOutput } from "./ctaphid-output.ts";
import { hidCommand } from "./ctaphid-packets.ts";

/** A request that is worked on. */
interface Working {
  readonly channel: number;
  readonly command: number;
  readonly abort: AbortController;
}

const processing = 1;

/** Has the authenticator answer one request at a time, and says meanwhile that it works. */
export class HidWorker {
  readonly #authenticator: SimulatedAuthenticator;
  readonly #output: HidOutput;
  readonly #faults: HidFaults;
  #working: Working | null = null;
  #work: Promise<void> = Promise.resolve();

  constructor(authenticator: SimulatedAuthenticator, output: HidOutput, faults: HidFaults) {
    this.#authenticator = authenticator;
    this.#output = output;
    this.#faults = faults;
  }

  get busy(): boolean {
    return this.#working !== null;
  }

  /** @param command CBOR or a vendor's */
  begin(channel: number, command: number, message: Uint8Array): void {
    const working: Working = { channel, command, abort: new AbortController() };
    this.#working = working;
    if (this.#faults.silent === true) return;
    for (let i = 0; i < (this.#faults.keepAlives ?? 0); i++) this.#output.keepAlive(channel, processing);
    const before = this.#work;
    this.#work = this.#answer(working, message, before);
  }

  /** The answer will say that it was cancelled. */
  cancel(channel: number): void {
    if (this.#working?.channel === channel) this.#working.abort.abort();
  }

  /** No answer will come. */
  giveUp(channel: number): void {
    if (this.#working?.channel !== channel) return;
    this.#working.abort.abort();
    this.#working = null;
  }

  /** The platform is gone, and with it the power where only that ends a command. */
  async end(): Promise<void> {
    this.#working?.abort.abort();
    this.#working = null;
    this.#authenticator.powerOff();
    await this.#work;
  }

  async #answer(working: Working, message: Uint8Array, before: Promise<void>): Promise<void> {
    const { channel, command, abort } = working;
    let status = processing;
    const current = () => this.#working === working;
    const keepAlive = () => current() && this.#output.keepAlive(channel, status);
    const timer = setInterval(keepAlive, this.#faults.keepAliveMs ?? 100).unref();
    const onKeepAlive = (now: number) => {
      status = now;
      keepAlive();
    };
    // What an INIT gave up may not be over yet.
    await before;
    const options = { signal: abort.signal, onKeepAlive };
    const vendor = command !== hidCommand.cbor;
    const answer = await (vendor
      ? this.#authenticator.vendor(message, options)
      : this.#authenticator.ctap(message, options));
    clearInterval(timer);
    if (!current()) return;
    this.#working = null;
    if (this.#faults.foreignChannel === true) this.#output.send(foreignChannel, command, Uint8Array.of(0x7f));
    this.#output.send(channel, this.#isError(answer[0] ?? 0, vendor) ? hidCommand.error : command, answer);
  }

  #isError(status: number, vendor: boolean): boolean {
    if (status === 0) return false;
    return this.#faults.errorFrames ?? this.#authenticator.profile.lock?.asErrorPacket(status, vendor) ?? false;
  }
}
