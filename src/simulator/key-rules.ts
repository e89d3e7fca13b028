import { SW } from "../apdu/status-word.ts";
import { findTlv, type Tlv } from "../bytes/tlv.ts";
import { type Card, refuse } from "./card.ts";
import type { KeyDomain, KeyRules } from "./token-state.ts";

const mostAlgorithms = 16;

/**
 * Tags 90 (uses), 91 (algorithms) and 92 (key domain) of a new key (reference 03 section 3.9).
 * @throws Refusal 6A88 for a domain that is not there, 6985 for one that waits for shares, or when they make no sense
 */
export function readRules(card: Card, template: readonly Tlv[]): KeyRules {
  const { malformed } = card.profile.sw;
  const counter = findTlv(template, 0x90)?.value;
  const algorithms = findTlv(template, 0x91)?.value ?? new Uint8Array(0);
  const named = findTlv(template, 0x92)?.value ?? Uint8Array.of(0);
  if (counter !== undefined && counter.length !== 4) refuse(malformed);
  if (algorithms.length > mostAlgorithms || named.length !== 1) refuse(malformed);
  const uses = counter?.reduce((sum, byte) => sum * 256 + byte, 0);
  const domain = named[0] as number;
  // Domain 0 need not be there: its keys then never leave.
  if (domain > 0 && domainAt(card, domain) === null) refuse(SW.referencedDataNotFound);
  requireCompleteDomain(card, domain);
  return { usesLeft: uses === 0xffff_ffff ? undefined : uses, algorithms: algorithms.slice(), domain };
}

export function domainAt(card: Card, index: number): KeyDomain | null {
  return card.state.keyDomains[index] ?? null;
}

/** @throws Refusal 6985 while the domain waits for shares, where that stops keys from being made and taken in */
export function requireCompleteDomain(card: Card, index: number): void {
  const pending = (domainAt(card, index)?.outstanding ?? 0) > 0;
  if (pending && card.profile.pendingSharesBlockKeys) refuse(SW.conditionsNotSatisfied);
}

/** @throws Refusal 6A89 where the card does not overwrite the key of this id, 6A86 for the device key's */
export function requireRoomFor(card: Card, id: number): void {
  if (id === 0) refuse(SW.wrongP1P2);
  if (card.state.keys.has(id) && !card.profile.overwritesKeys) refuse(SW.fileExists);
}
