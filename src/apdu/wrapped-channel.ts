import type { CardChannel } from "./channel.ts";

/** A channel that exchanges in another way and is otherwise the one it stands around. */
export function wrappedChannel(channel: CardChannel, transceive: CardChannel["transceive"]): CardChannel {
  return {
    get atr() {
      return channel.atr;
    },
    where: channel.where,
    transceive,
    reset: () => channel.reset(),
    close: () => channel.close(),
  };
}
