import type { PinState } from "../../cards/smartcard-hsm/token-status.ts";
import type { CardSourceOptions } from "../../services/vault/openers/card-source.ts";
import type { OpenDevice } from "../devices/device-session.ts";
import { simulatedMark } from "../wording.ts";
import { type Held, hold } from "./held.ts";

/** A token that is open, and what its source wants to know. */
export interface OpenToken {
  readonly device: OpenDevice;
  readonly options: CardSourceOptions;
}

/**
 * A token named on the command line, opened when it is first needed and kept open: the look, the login and the use are one
 * session, so that nobody can put another card in between.
 */
export class TokenHolder {
  readonly name: string;
  readonly #open: (work: (device: OpenDevice) => Promise<void>) => Promise<void>;
  readonly #pin: (device: OpenDevice, counter: PinState) => Promise<Uint8Array>;
  #held: Promise<Held<OpenToken>> | undefined;
  #title: string;
  #device: OpenDevice | undefined;

  constructor(
    name: string,
    open: (work: (device: OpenDevice) => Promise<void>) => Promise<void>,
    pin: (device: OpenDevice, counter: PinState) => Promise<Uint8Array>,
  ) {
    this.name = name;
    this.#title = name;
    this.#open = open;
    this.#pin = pin;
  }

  /** The serial once it is known, what the command line said before. */
  get title(): string {
    return this.#title;
  }

  async hold(): Promise<OpenToken> {
    this.#held ??= hold<OpenToken>((work) =>
      this.#open(async (device) => {
        const { serial } = await device.card.identity();
        this.#title = `card ${serial || this.name}${device.simulated ? ` (${simulatedMark})` : ""}`;
        this.#device = device;
        await work({ device, options: { title: this.#title, pin: (counter) => this.#pin(device, counter) } });
      }),
    );
    return (await this.#held).thing;
  }

  /** The token if it was opened; opens none. */
  get opened(): OpenDevice | undefined {
    return this.#device;
  }

  async release(): Promise<void> {
    const held = await this.#held?.catch(() => undefined);
    this.#held = undefined;
    this.#device = undefined;
    await held?.release();
  }
}
