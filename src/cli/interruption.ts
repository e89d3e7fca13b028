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

/** Whether the work ended because it was interrupted, whatever was made of that on the way up. */
export function isInterruption(error: unknown): boolean {
  for (let at = error, depth = 0; at instanceof Error && depth < 8; at = at.cause, depth++) {
    if (at instanceof HsmError && at.kind === "interrupted") return true;
  }
  return false;
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
