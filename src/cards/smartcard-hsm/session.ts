import { type CardCommand, exchange } from "../../apdu/card-command.ts";
import type { CardChannel } from "../../apdu/channel.ts";
import { isTransportFault, TransportError } from "../../apdu/transport-error.ts";
import { type ApplicationInfo, selectApplication } from "./application.ts";

/**
 * What a command needs, and so what may be done when another program resets the card under it:
 * `nothing` is a read, repeated once; `login` is not repeated, the login is gone; `attempt` presents a PIN and is never
 * repeated by anything.
 */
export type CommandNeeds = "nothing" | "login" | "attempt";

/** What opened the session. */
export type LoggedIn = "user-pin" | "so-pin" | "public-keys";

/** The selected applet on one channel: who is logged in, and what a reset did to that. */
export class Session {
  readonly channel: CardChannel;
  application: ApplicationInfo;
  /** How messages call the token: its serial once the certificate was read, the reader before. */
  token: string;
  /** Which PIN was accepted last, or that the custodians' keys were, and is not known to be lost. */
  loggedIn: LoggedIn | null = null;
  /** Several commands share this login: it is not presented again, and nothing selects the applet unasked. */
  keepsLogin = false;
  /** Turns false when the card or the reader refuses extended APDUs; then only short ones are sent. */
  extended = true;
  #selected = true;
  #loginLost = false;

  private constructor(channel: CardChannel, application: ApplicationInfo) {
    this.channel = channel;
    this.application = application;
    this.token = channel.where;
  }

  /** @throws HsmError `NOT_A_SMARTCARD_HSM` */
  static async open(channel: CardChannel): Promise<Session> {
    const select = selectApplication(channel.where);
    try {
      return new Session(channel, await exchange(channel, select));
    } catch (error) {
      if (!isTransportFault(error, "CARD_RESET")) throw error;
      return new Session(channel, await exchange(channel, select));
    }
  }

  /** Selects the applet again, which ends every login. */
  async select(): Promise<void> {
    this.loggedIn = null;
    this.application = await exchange(this.channel, selectApplication(this.channel.where));
    this.#selected = true;
  }

  /** A PIN was accepted, or enough custodians have signed. */
  noteLogin(which: LoggedIn): void {
    this.loggedIn = which;
    this.#loginLost = false;
  }

  noteLogout(): void {
    this.loggedIn = null;
  }

  /**
   * Sends one command.
   * @throws TransportError `CARD_RESET` when another program reset the card and the command cannot be repeated
   */
  async send<Result>(command: CardCommand<Result>, needs: CommandNeeds = "nothing"): Promise<Result> {
    if (needs === "login" && this.#loginLost) throw this.#loginGone(command.name);
    try {
      if (!this.#selected) await this.select();
      return await exchange(this.channel, command);
    } catch (error) {
      if (!isTransportFault(error, "CARD_RESET")) throw error;
      this.#noteReset();
      if (needs === "login") throw this.#loginGone(command.name, error);
      if (needs === "attempt") throw error;
      await this.select();
      return await exchange(this.channel, command);
    }
  }

  #noteReset(): void {
    this.#selected = false;
    this.#loginLost = this.#loginLost || this.loggedIn !== null;
    this.loggedIn = null;
  }

  #loginGone(name: string, cause?: TransportError): TransportError {
    return new TransportError(
      "CARD_RESET",
      `another program reset ${this.token}: the login is gone, and ${name} was not sent again`,
      {
        advice: "stop the other program (scdaemon and PKCS#11 users are the usual ones), then run the command again",
        token: this.token,
        cause,
      },
    );
  }
}
