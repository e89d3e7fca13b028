import type { CardCommand } from "../../apdu/card-command.ts";
import { SW } from "../../apdu/status-word.ts";
import { HsmError } from "../../errors.ts";
import { keyDomainAnswer, plain, queryKeyDomain } from "./key-domains.ts";
import { type RefusableCommand, refusal } from "./refusals.ts";
import type { Session } from "./session.ts";
import type { DkekState } from "./token-status.ts";

type DomainVerb = Extract<
  RefusableCommand,
  "IMPORT KEY SHARE" | "CREATE KEY DOMAIN" | "DELETE KEY DOMAIN" | "CLEAR KEY DOMAIN"
>;
const verbs = {
  "IMPORT KEY SHARE": 0x00,
  "CREATE KEY DOMAIN": 0x01,
  "DELETE KEY DOMAIN": 0x03,
  "CLEAR KEY DOMAIN": 0x04,
} as const satisfies Record<DomainVerb, number>;

export const shareBytes = 32;

/**
 * MANAGE KEY DOMAIN in one of its forms (reference 02, section 2.12). The result is the state that the card answers
 * with, or `null` where it says no more than done.
 */
export function manageKeyDomain(
  name: DomainVerb,
  domain: number,
  data: Uint8Array | undefined,
  token: string,
): CardCommand<DkekState | null> {
  return {
    name,
    apdu: { cla: 0x80, ins: 0x52, p1: verbs[name], p2: domain, data, le: 256 },
    parse(response) {
      const { sw } = response;
      // Pico HSM says of a domain it has just deleted that it is not there.
      if (sw === SW.referencedDataNotFound && name === "DELETE KEY DOMAIN") return null;
      if (sw !== SW.ok) throw refusal(name, sw, token);
      return response.data.length < 10 ? null : plain(keyDomainAnswer(domain, response));
    },
  };
}

/**
 * Imports one share: it is XORed into the key of the domain, in any order. A wrong share cannot be told from a right
 * one before the check value of the complete key; the same share twice cancels out. Needs no login.
 * @param share 32 bytes
 * @throws HsmError `SHARE_INVALID` (usage) before anything is sent; `SHARE_NOT_EXPECTED` (conflict), `NO_DKEK`
 *   (not-supported)
 */
export async function importDkekShare(session: Session, share: Uint8Array, domain = 0): Promise<DkekState> {
  if (share.length !== shareBytes || share.every((byte) => byte === 0)) {
    const problem = share.length === shareBytes ? "this one is all zeros" : `this one has ${share.length}`;
    throw new HsmError("SHARE_INVALID", "usage", `a key share has ${shareBytes} random bytes, ${problem}`, {
      advice: "nothing was sent to the token",
    });
  }
  return stateAfter(session, "IMPORT KEY SHARE", domain, share);
}

/**
 * Creates a key domain on a token that was initialised for them. Needs a login.
 * @param shares 1-255 to be imported, or 0 for a random key that no other token will ever have
 */
export async function createKeyDomain(session: Session, domain: number, shares: number): Promise<DkekState> {
  if (!Number.isInteger(shares) || shares < 0 || shares > 255) {
    throw invalid(`the number of key shares is a whole number from 0 to 255, not ${shares}`);
  }
  return stateAfter(session, "CREATE KEY DOMAIN", domain, Uint8Array.of(shares));
}

/** Deletes a key domain that holds no keys. Needs a login. @throws HsmError `KEY_DOMAIN_NOT_EMPTY` (conflict) */
export async function deleteKeyDomain(session: Session, domain: number): Promise<DkekState> {
  return stateAfter(session, "DELETE KEY DOMAIN", domain, undefined);
}

/** Deletes the key of a domain, not the domain: its shares can be imported anew. Keys in it stay usable. Needs a login. */
export async function clearKeyDomain(session: Session, domain: number): Promise<DkekState> {
  return stateAfter(session, "CLEAR KEY DOMAIN", domain, undefined);
}

async function stateAfter(
  session: Session,
  name: DomainVerb,
  domain: number,
  data: Uint8Array | undefined,
): Promise<DkekState> {
  if (!Number.isInteger(domain) || domain < 0 || domain > 255) {
    throw invalid(`a key domain is a whole number from 0 to 255, not ${domain}`);
  }
  // Repeating it would import a share twice or delete what another program has made since.
  const state = await session.send(manageKeyDomain(name, domain, data, session.token), "login");
  return state ?? plain(await session.send(queryKeyDomain(domain)));
}

function invalid(problem: string): HsmError {
  return new HsmError("KEY_DOMAIN_INVALID", "usage", problem, { advice: "nothing was sent to the token" });
}
