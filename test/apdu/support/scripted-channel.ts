import type { CardChannel, ExchangeOptions } from "../../../src/apdu/channel.ts";
import { fromHex, toHex } from "../../../src/bytes/hex.ts";

export interface ScriptedChannel extends CardChannel {
  /** Hex of every command sent, in order. */
  readonly sent: string[];
  readonly options: (ExchangeOptions | undefined)[];
  closes: number;
}

type Answer = string | ((command: Uint8Array) => string | Uint8Array | Promise<Uint8Array>);

/** A card that gives the answers of the list, one for each command; the last one again and again when `repeat` is set. */
export function scripted(answers: readonly Answer[], repeat = false): ScriptedChannel {
  let next = 0;
  const channel: ScriptedChannel = {
    atr: fromHex("3B80"),
    where: "a scripted card",
    sent: [],
    options: [],
    closes: 0,
    async transceive(command, options) {
      channel.sent.push(toHex(command));
      channel.options.push(options);
      const answer = answers[repeat ? Math.min(next, answers.length - 1) : next];
      next++;
      if (answer === undefined) throw new Error(`no answer scripted for ${toHex(command)}`);
      const given = typeof answer === "string" ? answer : await answer(command);
      return typeof given === "string" ? fromHex(given) : given;
    },
    async reset() {},
    async close() {
      channel.closes++;
    },
  };
  return channel;
}

/** A card that never answers. */
export function silent(): ScriptedChannel {
  return scripted([() => new Promise<Uint8Array>(() => {})], true);
}
