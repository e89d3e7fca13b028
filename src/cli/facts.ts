import { hexNumber } from "../bytes/hex.ts";
import type { PinState } from "../cards/smartcard-hsm/token-status.ts";
import type { OpenDevice } from "./device-session.ts";
import type { Document } from "./output.ts";

/** `token` of every JSON document about one token. */
export async function tokenFacts({ card, simulated }: OpenDevice): Promise<Document> {
  const identity = await card.identity();
  return {
    where: card.channel.where,
    serial: identity.serial || null,
    chr: identity.chr || null,
    label: await card.label(),
    simulated: simulated || identity.simulated,
  };
}

/** A PIN as JSON documents tell it. */
export function pinFacts(pin: PinState): Document {
  return { state: pin.state, triesLeft: pin.triesLeft, statusWord: hexNumber(pin.sw, 4) };
}
