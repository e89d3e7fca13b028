import type { CardCommand } from "../../apdu/card-command.ts";
import type { ResponseApdu } from "../../apdu/response.ts";
import { SW } from "../../apdu/status-word.ts";
import { toHex } from "../../bytes/hex.ts";
import type { Session } from "./session.ts";
import type { DkekState } from "./token-status.ts";

/** Pico HSM knows 16; the bound keeps a card that never says "no more" from holding us. */
export const maxKeyDomains = 16;

/** The state of one key domain, and what the answer says about the others. */
export interface KeyDomainAnswer extends DkekState {
  /** The index is beyond the last domain, or the card has none at all. */
  readonly beyond: boolean;
  /** The answer is one that only a card with key domains gives. */
  readonly domainsSeen: boolean;
}

/** MANAGE KEY DOMAIN, query (reference 02, section 2.12). Needs no login. */
export function queryKeyDomain(index: number): CardCommand<KeyDomainAnswer> {
  return {
    name: "MANAGE KEY DOMAIN",
    apdu: { cla: 0x80, ins: 0x52, p1: 0x00, p2: index, le: 256 },
    parse: (response) => keyDomainAnswer(index, response),
  };
}

/** Reads the state that every form of MANAGE KEY DOMAIN answers with. */
export function keyDomainAnswer(index: number, { data, sw }: ResponseApdu): KeyDomainAnswer {
  const without = (state: DkekState["state"], beyond: boolean): KeyDomainAnswer => ({
    index,
    state,
    shares: null,
    outstanding: null,
    kcv: null,
    kcvNote: null,
    beyond,
    domainsSeen: false,
  });
  switch (sw) {
    case SW.ok:
      return withShares(index, data) ?? without("unknown", false);
    case SW.referencedDataNotFound:
      return without("not-created", false);
    // 6D00: initialised without shares, or a card without DKEK; 6B00: Pico HSM before its first initialisation.
    case SW.insNotSupported:
    case SW.offsetOutside:
    case SW.wrongP1P2:
      return without("none", true);
    default:
      return without("unknown", false);
  }
}

/** Total, outstanding, KCV (8), and for an XKEK domain its UID. */
function withShares(index: number, data: Uint8Array): KeyDomainAnswer | null {
  const [shares, outstanding] = data;
  if (shares === undefined || outstanding === undefined || data.length < 10 || outstanding > shares) return null;
  const kcv = data.subarray(2, 10);
  const zeros = kcv.every((byte) => byte === 0);
  const common = { index, shares, outstanding, beyond: false, domainsSeen: data.length > 10 };
  const shown = zeros || outstanding > 0 ? null : toHex(kcv);
  if (outstanding > 0) return { ...common, state: "pending", kcv: null, kcvNote: null };
  // Pico HSM answers ten zero bytes when it has no DKEK.
  if (shares === 0) return { ...common, state: zeros ? "none" : "random", kcv: shown, kcvNote: null };
  // Pico HSM shows zeros until a login, although the key is complete: they are no check value.
  return { ...common, state: "complete", kcv: shown, kcvNote: zeros ? "before-login" : null };
}

/**
 * Asks for the DKEK, and for all key domains where the answer leaves open whether there are any: one exchange on a
 * token with a DKEK, two where 6A88 may mean "no DKEK" or "first key domain not created".
 * @param wanted `first` asks no more than that: on a token that was never initialised there is nothing to tell apart
 */
export async function readKeyDomains(
  session: Session,
  wanted: "all" | "where-seen" | "first",
): Promise<{ dkek: DkekState; keyDomains: DkekState[] | null }> {
  const first = await session.send(queryKeyDomain(0));
  const found = [first];
  let domains = first.domainsSeen;
  const hint = domains || first.state === "not-created";
  if (!first.beyond && (wanted === "all" || (wanted === "where-seen" && hint))) {
    while (found.length < maxKeyDomains) {
      const next = await session.send(queryKeyDomain(found.length));
      if (next.beyond || next.state === "unknown") break;
      found.push(next);
    }
    domains ||= found.length > 1;
  }
  const states = found.map(plain);
  const dkek = states[0] as DkekState;
  // A single 6A88 is how a card of version 4 says that it has no DKEK.
  if (!domains && dkek.state === "not-created") return { dkek: { ...dkek, state: "none" }, keyDomains: null };
  return { dkek, keyDomains: domains ? states : null };
}

/** The state of one key domain. */
export async function readKeyDomain(session: Session, index: number): Promise<DkekState> {
  return plain(await session.send(queryKeyDomain(index)));
}

/** Without what the answer says about other domains. */
export function plain({ index, state, shares, outstanding, kcv, kcvNote }: KeyDomainAnswer): DkekState {
  return { index, state, shares, outstanding, kcv, kcvNote };
}
