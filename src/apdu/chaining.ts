import type { CardChannel } from "./channel.ts";
import { decodeCommand, encodeCommand, isExtended, shortLimits } from "./command.ts";
import { wrappedChannel } from "./wrapped-channel.ts";

/** CLA bit 5 (ISO 7816-4 section 5.3.3): not the last command of a chain. */
const moreFollows = 0x10;

/**
 * For readers or cards that cannot do extended length: every extended command goes out in short form, its data in a
 * chain of commands with CLA bit 5 set on all but the last. An Le above 256 becomes 256, the rest comes as `61xx`
 * (put {@link withGetResponse} outside of this).
 *
 * Opt-in: where extended length works it needs one exchange, not many. The chain ends at the first part that is not
 * answered `9000`, and that answer is handed on.
 */
export function withCommandChaining(channel: CardChannel): CardChannel {
  return wrappedChannel(channel, async (command, options) => {
    const whole = decodeCommand(command);
    if (!isExtended(whole)) return channel.transceive(command, options);
    const data = whole.data ?? new Uint8Array(0);
    let offset = 0;
    for (; data.length - offset > shortLimits.data; offset += shortLimits.data) {
      const part = data.subarray(offset, offset + shortLimits.data);
      const { ins, p1, p2 } = whole;
      const answer = await channel.transceive(
        encodeCommand({ cla: whole.cla | moreFollows, ins, p1, p2, data: part }),
        options,
      );
      if (answer.length !== 2 || answer[0] !== 0x90 || answer[1] !== 0x00) return answer;
    }
    const le = whole.le === undefined ? undefined : Math.min(whole.le, shortLimits.le);
    return channel.transceive(encodeCommand({ ...whole, data: data.subarray(offset), le, extended: false }), options);
  });
}
