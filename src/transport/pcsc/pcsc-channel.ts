import type { CardChannel } from "../../apdu/channel.ts";
import { oneAtATime } from "../../apdu/one-at-a-time.ts";
import { isTransportFault } from "../../apdu/transport-error.ts";
import type { Share } from "./host/messages.ts";
import type { HostProcess } from "./host-process.ts";

/**
 * Connects the host to the card and makes the connection a channel. `CARD_RESET` means that the host has connected
 * again and the next command will arrive; the command that met the reset is not repeated, by nobody.
 * @param release called once when the channel has given the card back, or has failed to
 */
export async function connectChannel(
  host: HostProcess,
  reader: string,
  share: Share,
  timeoutMs: number,
  release: () => void,
): Promise<CardChannel> {
  const where = `reader "${reader}"`;
  const limit = (what: string, ms = timeoutMs) => ({ where, what, ms });
  let { atr } = await host.request({ do: "connect", reader, share }, limit("a connection"));
  const channel: CardChannel = {
    get atr() {
      return atr;
    },
    where,
    async transceive(command, options) {
      const ms = Math.max(timeoutMs, options?.patienceMs ?? 0);
      return (await host.request({ do: "transmit", command }, limit("a command", ms))).answer;
    },
    async reset() {
      ({ atr } = await host.request({ do: "reset" }, limit("a reset")));
    },
    async close() {
      try {
        // A command that is still on its way holds the connection: only the host's end takes it back.
        if (host.busy) host.kill();
        else if (host.end === null) await host.request({ do: "disconnect" }, limit("the end of the connection"));
      } catch (error) {
        // The card is gone or was never given back: the host's end does it. Nothing new for the operator.
        host.kill(isTransportFault(error) ? error : undefined);
      } finally {
        release();
      }
    },
  };
  return oneAtATime(channel);
}
