import type { CardCommand } from "../../apdu/card-command.ts";
import { type CommandApdu, encodeCommand } from "../../apdu/command.ts";
import type { ByteRange } from "../../apdu/redaction.ts";
import { selectApplication } from "./application.ts";
import { enumerateObjects, readBinary } from "./files.ts";
import { queryKeyDomain } from "./key-domains.ts";
import { offsetIn } from "./narrator-command.ts";
import { changePin, queryPin, resetRetryCounter, verifyPin } from "./pin-commands.ts";
import type { PinKind } from "./pins.ts";

/**
 * The command of this driver that these bytes are, with its parser; `null` for bytes that it would not send. The driver's
 * own builders make the command again, and only the very same bytes count (hidden ones apart).
 * @param token how errors of the parser call the token
 */
export function recogniseCommand(
  apdu: CommandApdu,
  sent: Uint8Array,
  hidden: readonly ByteRange[],
  token: string,
): CardCommand<unknown> | null {
  return candidates(apdu, token).find((command) => same(encodeCommand(command.apdu), sent, hidden)) ?? null;
}

function candidates(apdu: CommandApdu, token: string): CardCommand<unknown>[] {
  const { cla, ins, p1, p2, le } = apdu;
  const data = apdu.data ?? new Uint8Array(0);
  const pin: PinKind = p2 === 0x88 ? "so-pin" : "user-pin";
  switch (cla * 256 + ins) {
    case 0x00a4:
      return [selectApplication(token)];
    case 0x0020:
      return [data.length === 0 ? queryPin(pin) : verifyPin(pin, data)];
    case 0x0024:
      return [changePin(pin, data, new Uint8Array(0))];
    case 0x002c:
      return [p1 === 0x00 ? resetRetryCounter(data, new Uint8Array(0)) : resetRetryCounter(data)];
    case 0x00b1:
      return le === undefined ? [] : [readBinary(p1 * 256 + p2, offsetIn(data) ?? 0, le, token)];
    case 0x8058:
      return [enumerateObjects(true, token), enumerateObjects(false, token)];
    case 0x8052:
      return [queryKeyDomain(p2)];
    default:
      return [];
  }
}

function same(made: Uint8Array, sent: Uint8Array, hidden: readonly ByteRange[]): boolean {
  if (made.length !== sent.length) return false;
  return made.every((byte, i) => byte === sent[i] || hidden.some(({ start, end }) => start <= i && i < end));
}
