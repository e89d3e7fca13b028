import type { Fido2Authenticator } from "../../cards/fido2/authenticator.ts";
import { PicoFidoToken } from "../../cards/fido2/pico-fido/pico-fido-token.ts";
import { HsmError } from "../../errors.ts";
import { unplugFirst } from "./lock-errors.ts";

/**
 * Refuses a Pico FIDO that was disabled or reset and not unplugged since: credentials made now are made with a key of
 * zeros, or with the old one, and are gone at the next plug-in. Any other token is asked nothing.
 * @throws HsmError `PICO_FIDO_UNPLUG_FIRST` (refused)
 */
export async function refuseWithoutKey(authenticator: Fido2Authenticator): Promise<void> {
  let token: PicoFidoToken;
  try {
    token = new PicoFidoToken(authenticator);
    if ((await token.backup()).kind !== "empty") return;
  } catch (error) {
    // Another token, or a way to it that has no vendor commands.
    if (error instanceof HsmError && error.kind === "not-supported") return;
    throw error;
  }
  throw unplugFirst(token);
}
