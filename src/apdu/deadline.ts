import type { CardChannel, ExchangeOptions } from "./channel.ts";
import { TransportError } from "./transport-error.ts";

/** The longest time a Node timer can be set to; beyond it the timer would fire at once. */
const longestMs = 2 ** 31 - 1;

/**
 * Ends every exchange by `ms`, or by the command's own `patienceMs` where that is longer, with TransportError `TIMEOUT`.
 *
 * After that the channel is not used any more, every further call throws `TIMEOUT` at once: the card may still be at
 * work, and its late answer would be taken for the answer to the next command. Only `close` is left, and does not wait
 * longer than `ms` either.
 * @param ms milliseconds, more than 0
 */
export function withDeadline(channel: CardChannel, ms: number): CardChannel {
  let expired: TransportError | undefined;
  async function inTime<T>(what: string, limit: number, work: () => Promise<T>): Promise<T> {
    if (expired) {
      throw new TransportError("TIMEOUT", `${channel.where} did not answer before and is not asked again`, {
        advice: expired.advice,
        layer: "deadline",
        cause: expired,
      });
    }
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(
        () => {
          expired = timeout(channel.where, what, limit);
          reject(expired);
        },
        Math.min(limit, longestMs),
      );
    });
    try {
      return await Promise.race([work(), late]);
    } finally {
      clearTimeout(timer);
    }
  }
  return {
    get atr() {
      return channel.atr;
    },
    where: channel.where,
    transceive: (command: Uint8Array, options?: ExchangeOptions) =>
      inTime("a command", Math.max(ms, options?.patienceMs ?? 0), () => channel.transceive(command, options)),
    reset: () => inTime("a reset", ms, () => channel.reset()),
    async close() {
      if (!expired) return inTime("the end of the connection", ms, () => channel.close());
      expired = undefined;
      try {
        await inTime("the end of the connection", ms, () => channel.close());
      } catch {
        // The operator has heard of the timeout; that a stuck card is not given back either says nothing new.
      }
    },
  };
}

/** What a missed deadline says, whoever watched the clock. */
export function timeout(
  where: string,
  what: string,
  ms: number,
  { layer = "deadline", advice = cardMayHaveWorked }: { layer?: string; advice?: string | undefined } = {},
): TransportError {
  return new TransportError("TIMEOUT", `${where} did not answer ${what} within ${seconds(ms)}`, { advice, layer });
}

const cardMayHaveWorked =
  "the card may or may not have worked on it: take it out, insert it again and look with `hsmadm device status`; `--timeout` waits longer";

function seconds(ms: number): string {
  return ms < 1000 ? `${ms} ms` : `${Math.round(ms / 100) / 10} s`;
}
