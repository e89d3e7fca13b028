import { concat } from "../bytes/bytes.ts";
import { HsmError } from "../errors.ts";
import type { CardChannel } from "./channel.ts";
import { encodeCommand } from "./command.ts";
import { decodeResponse, encodeResponse, type ResponseApdu } from "./response.ts";
import { wrappedChannel } from "./wrapped-channel.ts";

/** A card that always says "more" would be followed for ever: both limits are its end. */
export const getResponseLimits = { rounds: 256, bytes: 65_536 } as const;

/**
 * Fetches what the card announces with `61xx` (ISO 7816-4 section 5.3.4, GET RESPONSE) and hands on one whole answer:
 * all data, then the last status word.
 *
 * `transceive` throws HsmError `RESPONSE_ENDLESS` (unexpected) when the card passes {@link getResponseLimits}.
 */
export function withGetResponse(channel: CardChannel): CardChannel {
  return wrappedChannel(channel, async (command, options) => {
    const bytes = await channel.transceive(command, options);
    if (!announcesMore(bytes)) return bytes;
    const parts: Uint8Array[] = [];
    let answer: ResponseApdu = decodeResponse(bytes);
    let total = 0;
    for (let round = 0; ; round++) {
      parts.push(answer.data);
      total += answer.data.length;
      if (total > getResponseLimits.bytes) throw endless(channel, `more than ${getResponseLimits.bytes} bytes`);
      if (answer.sw >> 8 !== 0x61) return encodeResponse({ data: concat(...parts), sw: answer.sw });
      if (round === getResponseLimits.rounds) throw endless(channel, `more than ${round} rounds`);
      const fetch = { cla: classOf(command), ins: 0xc0, p1: 0, p2: 0, le: answer.sw & 0xff || 256 };
      answer = decodeResponse(await channel.transceive(encodeCommand(fetch), options));
    }
  });
}

function announcesMore(bytes: Uint8Array): boolean {
  return bytes.length >= 2 && bytes[bytes.length - 2] === 0x61;
}

// The logical channel stays, secure messaging and chaining bits do not; a proprietary class fetches with 00, as OpenSC does.
function classOf(command: Uint8Array): number {
  const cla = command[0] ?? 0;
  return cla < 0x40 ? cla & 0x03 : 0;
}

function endless(channel: CardChannel, limit: string): HsmError {
  return new HsmError(
    "RESPONSE_ENDLESS",
    "unexpected",
    `the card in ${channel.where} keeps announcing data: ${limit}`,
    {
      advice: "take the card out and insert it again; if it repeats, record a trace with `--trace FILE` and report it",
    },
  );
}
