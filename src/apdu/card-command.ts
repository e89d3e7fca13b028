import type { CardChannel } from "./channel.ts";
import { type CommandApdu, encodeCommand } from "./command.ts";
import { decodeResponse, type ResponseApdu } from "./response.ts";

/** A command is two pure functions; the exchange is someone else's. */
export interface CardCommand<Result> {
  /** As in traces and error messages: `"VERIFY"`, `"READ BINARY"`. */
  readonly name: string;
  readonly apdu: CommandApdu;
  /**
   * Reads the answer, status word included: the same word means different things in different commands.
   * @throws HsmError when the card refused or the answer makes no sense
   */
  parse(response: ResponseApdu): Result;
  /** See {@link ExchangeOptions.patienceMs}. */
  readonly patienceMs?: number | undefined;
}

/** Sends the command and reads its answer. */
export async function exchange<Result>(channel: CardChannel, command: CardCommand<Result>): Promise<Result> {
  const answer = await channel.transceive(encodeCommand(command.apdu), { patienceMs: command.patienceMs });
  return command.parse(decodeResponse(answer));
}
