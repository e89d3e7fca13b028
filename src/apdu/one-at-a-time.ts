import type { CardChannel, ExchangeOptions } from "./channel.ts";
import { TransportError } from "./transport-error.ts";

/**
 * One exchange at a time: a card has one state and answers one command. A second `transceive` or `reset` before the
 * first has answered throws `CHANNEL_BUSY`, after `close` it throws `CHANNEL_CLOSED`; both are bugs of the caller and
 * nothing is sent. `close` is always allowed: it is how a stuck exchange is given up.
 */
export function oneAtATime(channel: CardChannel): CardChannel {
  let busy = false;
  let closed: Promise<void> | undefined;
  async function alone<T>(work: () => Promise<T>): Promise<T> {
    if (closed) throw new TransportError("CHANNEL_CLOSED", `${channel.where} was given back already`);
    if (busy) {
      throw new TransportError(
        "CHANNEL_BUSY",
        `two commands at once for the card in ${channel.where}, one was not sent`,
      );
    }
    busy = true;
    try {
      return await work();
    } finally {
      busy = false;
    }
  }
  return {
    get atr() {
      return channel.atr;
    },
    where: channel.where,
    transceive: (command: Uint8Array, options?: ExchangeOptions) => alone(() => channel.transceive(command, options)),
    reset: () => alone(() => channel.reset()),
    close() {
      closed ??= channel.close();
      return closed;
    },
  };
}
