import type { CtapChannel, CtapSendOptions } from "../../apdu/ctap-channel.ts";
import { HsmError } from "../../errors.ts";
import { type AuthProtocol, preferredProtocol } from "./auth-protocol.ts";
import { type AuthenticatorInfo, getInfo } from "./authenticator-info.ts";
import { getKeyAgreement } from "./client-pin.ts";
import { type CtapAnswer, type CtapCommand, exchangeCtap, sendCtap } from "./ctap-command.ts";
import { agreeOn, type PlatformRandomness, type SharedSecret } from "./shared-secret.ts";

/** How a verb may be watched and cancelled while it waits for a touch. */
export type Waiting = Pick<CtapSendOptions, "onKeepAlive" | "signal">;

/** One authenticator on one channel, and what it said of itself. */
export class Fido2Session {
  readonly channel: CtapChannel;
  readonly random: PlatformRandomness;
  info: AuthenticatorInfo;
  readonly #waiting: Waiting;

  private constructor(channel: CtapChannel, info: AuthenticatorInfo, random: PlatformRandomness, waiting: Waiting) {
    this.channel = channel;
    this.info = info;
    this.random = random;
    this.#waiting = waiting;
  }

  /** @param waiting for verbs that are given none of their own */
  static async open(channel: CtapChannel, random: PlatformRandomness, waiting: Waiting): Promise<Fido2Session> {
    return new Fido2Session(channel, await exchangeCtap(channel, getInfo, waiting), random, waiting);
  }

  /** How messages call the authenticator. */
  get token(): string {
    return this.channel.where;
  }

  /** @throws HsmError `FIDO_NOT_SUPPORTED` when the token offers no protocol that we speak */
  get protocol(): AuthProtocol {
    const protocol = preferredProtocol(this.info.pinUvAuthProtocols);
    if (protocol !== undefined) return protocol;
    throw this.notSupported("offers neither PIN/UV auth protocol one nor two");
  }

  /** An option of getInfo; `undefined` where the token does not list it. */
  option(name: string): boolean | undefined {
    return this.info.options[name];
  }

  async call<Result>(command: CtapCommand<Result>, waiting: Waiting = {}): Promise<Result> {
    this.#checkLength(command);
    return exchangeCtap(this.channel, command, this.#waitingOf(waiting));
  }

  /** As {@link call}, but hands on refusals. */
  async ask(command: CtapCommand<unknown>, options: CtapSendOptions): Promise<CtapAnswer> {
    this.#checkLength(command);
    return sendCtap(this.channel, command, options);
  }

  /** A fresh key agreement; the caller wipes the secret. */
  async agree(): Promise<SharedSecret> {
    const { protocol } = this;
    return agreeOn(protocol, await this.call(getKeyAgreement(protocol)), this.random);
  }

  /** Asks getInfo again: after the PIN was set, after a reset. */
  async refresh(): Promise<void> {
    this.info = await this.call(getInfo);
  }

  notSupported(what: string, advice?: string): HsmError {
    return new HsmError("FIDO_NOT_SUPPORTED", "not-supported", `${this.token} ${what}`, { token: this.token, advice });
  }

  #waitingOf(own: Waiting): Waiting {
    return {
      onKeepAlive: own.onKeepAlive ?? this.#waiting.onKeepAlive,
      signal: own.signal ?? this.#waiting.signal,
    };
  }

  #checkLength({ name, message }: CtapCommand<unknown>): void {
    const { maxMsgSize } = this.info;
    if (message.length <= maxMsgSize) return;
    throw new HsmError(
      "FIDO_REQUEST_TOO_LARGE",
      "not-supported",
      `${name} takes ${message.length} bytes, ${this.token} reads no more than ${maxMsgSize}`,
      { token: this.token },
    );
  }
}
