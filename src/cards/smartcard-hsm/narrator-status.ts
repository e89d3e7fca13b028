import type { CommandApdu } from "../../apdu/command.ts";
import { meaningOf, SW, triesLeftIn } from "../../apdu/status-word.ts";
import { pinStateOf } from "./pin-commands.ts";
import { type PinKind, pinName } from "./pins.ts";
import { type RefusableCommand, type Refusal, refusals } from "./refusals.ts";
import type { PinState } from "./token-status.ts";

const refusable: Readonly<Record<number, RefusableCommand>> = {
  176: "READ BINARY",
  177: "READ BINARY",
  215: "UPDATE BINARY",
  228: "DELETE FILE",
  32856: "ENUMERATE OBJECTS",
  132: "GET CHALLENGE",
  32: "VERIFY",
  36: "CHANGE REFERENCE DATA",
  44: "RESET RETRY COUNTER",
  32848: "INITIALIZE DEVICE",
};

/** What a status word says as the answer to this command: the driver's own table where it has the pair. */
export function statusInContext(command: CommandApdu, sw: number): string {
  const key = (command.cla & ~0x10) * 256 + command.ins;
  const asked = (command.data?.length ?? 0) === 0;
  if (key === 0x0020 && asked && pinOf(command) !== null) {
    return stateWords(pinStateOf(pinOf(command) ?? "user-pin", sw), sw);
  }
  const which = presented(key, command);
  if (which !== null && sw !== SW.ok) {
    const tries = triesLeftIn(sw);
    if (tries === 0) return `wrong ${pinName(which)}, and now it is blocked`;
    if (tries !== undefined) return `wrong ${pinName(which)}, ${triesWords(tries)}`;
    if (sw === SW.authenticationBlocked) return `the ${pinName(which)} is blocked`;
  }
  // References 85 and 86 are no PINs: the driver's table does not speak of them.
  if (key === 0x0020 && pinOf(command) === null) return meaningOf(sw);
  if (sw === SW.endOfFile) return "done, the file ends here";
  const name = refusable[key];
  const table: Readonly<Record<number, Refusal>> = name === undefined ? {} : refusals[name];
  return table[sw]?.says.replace("{token}", "the token") ?? meaningOf(sw);
}

/** Which PIN a command presents; `null` where it presents none. */
function presented(key: number, command: CommandApdu): PinKind | null {
  if (key === 0x0020 || key === 0x0024) return pinOf(command);
  return key === 0x002c || key === 0x8050 ? "so-pin" : null;
}

function pinOf({ p2 }: CommandApdu): PinKind | null {
  if (p2 === 0x81) return "user-pin";
  return p2 === 0x88 ? "so-pin" : null;
}

function stateWords({ state, triesLeft }: PinState, sw: number): string {
  switch (state) {
    case "ready":
      return triesLeft === null ? "ready" : triesWords(triesLeft);
    case "verified":
      return "logged in";
    case "blocked":
      return "blocked";
    case "transport":
      return "transport PIN, must be changed";
    case "uninitialised":
      return "not set, the token was never initialised";
    case "public-key":
      return "login by public keys";
    case "unreadable":
      return meaningOf(sw);
  }
}

function triesWords(tries: number): string {
  return `${tries} ${tries === 1 ? "try" : "tries"} left`;
}
