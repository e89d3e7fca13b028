import type { CardChannel } from "./channel.ts";
import { type CommandApdu, decodeCommand, encodeCommand } from "./command.ts";
import { wrappedChannel } from "./wrapped-channel.ts";

/** VERIFY, CHANGE REFERENCE DATA, RESET RETRY COUNTER, INITIALIZE DEVICE: each may cost a try. */
const presentsPin: ReadonlySet<number> = new Set([0x20, 0x24, 0x2c, 0x50]);

/**
 * Answers `6Cxx` (wrong Le, xx bytes are there; ISO 7816-4 section 5.1) with the same command and the right Le, once.
 *
 * With `6Cxx` a card says that it did not work on the command, but a command that presents a PIN is still never sent
 * a second time: were the card wrong about that, the second sending would cost a try. Such an answer is handed on.
 */
export function withRightLength(channel: CardChannel): CardChannel {
  return wrappedChannel(channel, async (command, options) => {
    const answer = await channel.transceive(command, options);
    if (answer.length !== 2 || answer[0] !== 0x6c || presentsPin.has(command[1] ?? 0)) return answer;
    const le = (answer[1] as number) || 256;
    const asked = decoded(command);
    if (asked === null || asked.le === le) return answer;
    return channel.transceive(encodeCommand({ ...asked, le }), options);
  });
}

function decoded(command: Uint8Array): CommandApdu | null {
  try {
    return decodeCommand(command);
  } catch {
    // Raw bytes that are no APDU are the caller's business, and so is the card's answer to them.
    return null;
  }
}
