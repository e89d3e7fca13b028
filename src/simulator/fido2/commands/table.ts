import type { CtapCommand } from "../device.ts";
import { clientPin } from "./client-pin.ts";
import { config } from "./config.ts";
import { getAssertion, getNextAssertion } from "./get-assertion.ts";
import { getInfo } from "./get-info.ts";
import { makeCredential } from "./make-credential.ts";
import { reset, selection } from "./reset.ts";

/** By command byte. What is not here is answered 01. */
export const ctapCommands: ReadonlyMap<number, CtapCommand> = new Map<number, CtapCommand>([
  [0x01, makeCredential],
  [0x02, getAssertion],
  [0x04, getInfo],
  [0x06, clientPin],
  [0x07, reset],
  [0x08, getNextAssertion],
  [0x0b, selection],
  [0x0d, config],
]);
