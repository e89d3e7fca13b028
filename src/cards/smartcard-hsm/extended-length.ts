import { exchange } from "../../apdu/card-command.ts";
import type { CardChannel } from "../../apdu/channel.ts";
import { SW } from "../../apdu/status-word.ts";
import { isTransportFault } from "../../apdu/transport-error.ts";
import { hexNumber } from "../../bytes/hex.ts";
import { messageOf } from "../../errors.ts";
import { readBinary } from "./files.ts";

/** How a command with extended length fared. The driver finds out by itself; this is for who wants to be told. */
export interface ExtendedLength {
  /** `null`: it came through. A reader fails in the exchange, a card (or a clever reader) answers 6700. */
  readonly refusedBy: "card" | "reader" | null;
  /** Bytes of data in the answer: above 256 long answers are proved too. */
  readonly longestAnswer: number;
  readonly detail: string | null;
}

/** EF 2F02: every token has it, and it is longer than a short answer can be. */
const deviceCertificates = 0x2f02;
const longest = 65_536;

/**
 * Reads the device certificate with an extended Le, once. Needs the applet selected and nothing else; harmless.
 * @throws TransportError what concerns the card or the service and not the length; `TIMEOUT` of a reader that hangs on it
 */
export async function tryExtendedLength(channel: CardChannel): Promise<ExtendedLength> {
  const read = readBinary(deviceCertificates, 0, longest, channel.where);
  try {
    const { data, sw } = await exchange(channel, { ...read, parse: (response) => response });
    // Any other refusal is about the file, which a card can only know after taking the command.
    if (sw === SW.wrongLength) return { refusedBy: "card", longestAnswer: 0, detail: `SW ${hexNumber(sw, 4)}` };
    return { refusedBy: null, longestAnswer: data.length, detail: null };
  } catch (error) {
    if (!isTransportFault(error, "EXCHANGE_FAILED")) throw error;
    return { refusedBy: "reader", longestAnswer: 0, detail: messageOf(error) };
  }
}
