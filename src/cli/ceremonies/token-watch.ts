import type { TokenStatus } from "../../cards/smartcard-hsm/token-status.ts";
import type { TokenMoment, TokenName, TokenRecord } from "../../services/ceremony/ceremony-entry.ts";
import type { OpenDevice } from "../devices/device-session.ts";

/** What the record wants to know of every token that a command opens. Spends no try. */
export class TokenWatch {
  readonly #seen: TokenRecord[] = [];

  get tokens(): readonly TokenRecord[] {
    return this.#seen;
  }

  /**
   * Asks a token that was just opened, and gives back what asks it again at the end. Neither ever throws: a token that
   * does not answer is the command's to tell.
   */
  async opened(device: OpenDevice): Promise<() => Promise<void>> {
    const before = await momentOf(device);
    const at = this.#seen.length;
    this.#seen.push({ ...(await nameOf(device)), before, after: null });
    return async () => {
      const after = await momentOf(device);
      this.#seen[at] = { ...(await nameOf(device)), before, after };
    };
  }
}

/** @returns `null` where the token does not answer any more */
async function momentOf({ card }: OpenDevice): Promise<TokenMoment | null> {
  try {
    return moment(await card.status());
  } catch {
    return null;
  }
}

function moment({ state, userPin, soPin, dkek, keyDomains }: TokenStatus): TokenMoment {
  const domains = keyDomains ?? [dkek];
  return {
    state,
    userPin: { state: userPin.state, triesLeft: userPin.triesLeft },
    soPin: { state: soPin.state, triesLeft: soPin.triesLeft },
    kcvs: domains.flatMap(({ index, kcv }) => (kcv === null ? [] : [{ domain: index, kcv }])),
  };
}

export async function nameOf({ card, simulated }: OpenDevice): Promise<TokenName> {
  const { where } = card.channel;
  try {
    const { serial, chr, key } = await card.identity();
    const label = await card.label();
    return { where, serial: serial || null, chr: chr || null, label, deviceKey: key || null, simulated };
  } catch {
    return { where, serial: null, chr: null, label: null, deviceKey: null, simulated };
  }
}
