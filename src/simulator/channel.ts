import type { CardChannel } from "../apdu/channel.ts";
import { TransportError } from "../apdu/transport-error.ts";
import type { SimulatedToken } from "./simulator.ts";

/** What a reader sees of a simulated card of whatever kind. */
export interface SimulatedCard {
  readonly profile: { readonly atr: Uint8Array };
  /** One command APDU. Whatever the bytes are, the answer has at least a status word. */
  transceive(command: Uint8Array): Promise<Uint8Array>;
  /** @returns the ATR */
  powerOn(): Uint8Array;
  /** @returns the ATR */
  reset(): Uint8Array;
  /** Ends what only power ends; where it is not there nothing does. */
  powerOff?(): void;
}

/** A simulated card behind the channel that drivers know. */
export class SimulatorChannel<Card extends SimulatedCard = SimulatedToken> implements CardChannel {
  readonly token: Card;
  readonly where: string;
  #atr: Uint8Array;
  #release: (() => void) | null;
  #closed = false;
  #busy = false;

  /** Powers the token on. @param release called once, at close */
  constructor(token: Card, where: string, release: () => void = () => {}) {
    this.token = token;
    this.where = where;
    this.#release = release;
    this.#atr = token.powerOn();
  }

  get atr(): Uint8Array {
    return this.#atr;
  }

  async transceive(command: Uint8Array): Promise<Uint8Array> {
    return this.use((token) => token.transceive(command));
  }

  /** What goes to the token past APDUs. @throws TransportError as `transceive` */
  async use<T>(work: (token: Card) => Promise<T>): Promise<T> {
    this.#begin();
    try {
      return await work(this.token);
    } finally {
      this.#busy = false;
      if (this.#closed) this.#giveBack();
    }
  }

  async reset(): Promise<void> {
    this.#begin();
    this.#atr = this.token.reset();
    this.#busy = false;
  }

  /** Nothing is sent after it. A command still at work (a key being made) keeps the token until it is done. */
  async close(): Promise<void> {
    this.#closed = true;
    this.token.powerOff?.();
    if (!this.#busy) this.#giveBack();
  }

  #begin(): void {
    if (this.#closed)
      throw new TransportError("CHANNEL_CLOSED", `${this.where} was given back already`, { layer: "sim" });
    if (this.#busy) {
      throw new TransportError("CHANNEL_BUSY", `two commands at once for ${this.where}, one was not sent`, {
        layer: "sim",
      });
    }
    this.#busy = true;
  }

  #giveBack(): void {
    this.#release?.();
    this.#release = null;
  }
}
