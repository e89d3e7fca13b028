import type { CardChannel, ExchangeOptions } from "../../src/apdu/channel.ts";
import { standardStack } from "../../src/apdu/standard-stack.ts";
import { TransportError } from "../../src/apdu/transport-error.ts";
import type { RefusedPinMemory } from "../../src/cards/smartcard-hsm/attempt-policy.ts";
import { defaultAttemptPolicy } from "../../src/cards/smartcard-hsm/attempt-policy.ts";
import { SmartCardHsm } from "../../src/cards/smartcard-hsm/smartcard-hsm.ts";
import { SimulatorChannel } from "../../src/simulator/channel.ts";
import type { SimulatedToken } from "../../src/simulator/simulator.ts";

/** Pulled before the card saw the command, or after it did it and before its answer came through. */
export type PulledWhen = "before" | "after";

/** A connection to a simulated token that is unplugged at one of its exchanges. */
export class PulledCard implements CardChannel {
  readonly where = "reader";
  readonly sent: Uint8Array[] = [];
  readonly #inner: CardChannel;
  readonly #pull: { at: number; when: PulledWhen } | null;
  #gone = false;

  /** @param pull `at` counts from 0; `null`: left in */
  constructor(token: SimulatedToken, pull: { at: number; when: PulledWhen } | null = null) {
    this.#inner = new SimulatorChannel(token, "sim:test");
    this.#pull = pull;
  }

  get atr(): Uint8Array {
    return this.#inner.atr;
  }

  /** Commands with this instruction byte that went to the card. */
  count(instruction: number): number {
    return this.sent.filter((command) => command[1] === instruction && command.length > 4).length;
  }

  async transceive(command: Uint8Array, options?: ExchangeOptions): Promise<Uint8Array> {
    const here = this.#pull !== null && this.sent.length === this.#pull.at;
    if (this.#gone || (here && this.#pull?.when === "before")) return this.#removed();
    this.sent.push(command);
    const answer = await this.#inner.transceive(command, options);
    return here ? this.#removed() : answer;
  }

  reset(): Promise<void> {
    return this.#gone ? this.#removed() : this.#inner.reset();
  }

  close(): Promise<void> {
    return this.#inner.close();
  }

  #removed(): never {
    this.#gone = true;
    throw new TransportError("CARD_REMOVED", `${this.where}: the card was taken out`);
  }
}

/** Opens the driver on it, as a command does. */
export function openOn(channel: CardChannel, memory?: RefusedPinMemory): Promise<SmartCardHsm> {
  const policy = { ...defaultAttemptPolicy, ...(memory === undefined ? {} : { memory }) };
  return SmartCardHsm.open(standardStack(channel, { deadlineMs: 10_000 }), { policy });
}
