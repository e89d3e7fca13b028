import type { CardChannel, ExchangeOptions } from "../apdu/channel.ts";
import { HsmError } from "../errors.ts";

export function interrupted(): HsmError {
  return new HsmError("INTERRUPTED", "interrupted", "interrupted", {
    advice: "`hsmadm device status` shows what state the token is in",
  });
}

/** @throws HsmError `INTERRUPTED` once the signal was given */
export function throwIfInterrupted(signal: AbortSignal): void {
  if (signal.aborted) throw interrupted();
}

/** Waits for `work` or for the interruption, whichever is first. Only for work that may be left lying, never for an exchange. */
export async function unlessInterrupted<T>(signal: AbortSignal, work: Promise<T>): Promise<T> {
  throwIfInterrupted(signal);
  let stop: (() => void) | undefined;
  const halt = new Promise<never>((_, reject) => {
    stop = () => reject(interrupted());
    signal.addEventListener("abort", stop, { once: true });
  });
  try {
    return await Promise.race([work, halt]);
  } finally {
    if (stop) signal.removeEventListener("abort", stop);
  }
}

/**
 * Stops between two exchanges, never in the middle of one: the card finishes what it was told, the next command is not
 * sent, and the command gives the card back on its way out.
 */
export function interruptible(channel: CardChannel, signal: AbortSignal): CardChannel {
  return {
    get atr() {
      return channel.atr;
    },
    where: channel.where,
    async transceive(command: Uint8Array, options?: ExchangeOptions) {
      throwIfInterrupted(signal);
      return channel.transceive(command, options);
    },
    async reset() {
      throwIfInterrupted(signal);
      return channel.reset();
    },
    close: () => channel.close(),
  };
}
