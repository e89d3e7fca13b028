import { hexNumber } from "../bytes/hex.ts";
import type { PinState } from "../cards/smartcard-hsm/token-status.ts";
import type { OpenDevice } from "./devices/device-session.ts";
import type { Document } from "./output.ts";

export interface TokenFacts extends Document {
  readonly where: string;
  readonly serial: string | null;
  readonly chr: string | null;
  readonly label: string | null;
  readonly simulated: boolean;
}

/**
 * `token` of every JSON document about one token.
 * @param label where it is known already, so that it need not be read again
 */
export async function tokenFacts({ card, simulated }: OpenDevice, label?: string): Promise<TokenFacts> {
  const identity = await card.identity();
  return {
    where: card.channel.where,
    serial: identity.serial || null,
    chr: identity.chr || null,
    label: label ?? (await card.label()),
    simulated,
  };
}

/** A PIN as JSON documents tell it. */
export function pinFacts(pin: PinState): Document {
  return { state: pin.state, triesLeft: pin.triesLeft, sw: hexNumber(pin.sw, 4) };
}
