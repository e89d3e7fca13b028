import { SW } from "../../apdu/status-word.ts";
import { concat } from "../../bytes/bytes.ts";
import { type Card, type CommandHandler, dataOf, ok, refuse, requireLogin } from "../card.ts";
import { addShare, dkekLength, keyCheckValue, newKeyDomain } from "../key-domain.ts";
import type { KeyDomain } from "../token-state.ts";

/** MANAGE KEY DOMAIN: P1 says what, P2 is the domain (reference 02 section 2.12). */
export const manageKeyDomain: CommandHandler = (card, command) => {
  const { p1, p2 } = command;
  const data = dataOf(command);
  const { keyDomains, initialised } = card.state;
  if (card.profile.name === "pico" && (!initialised || p2 >= 16)) refuse(SW.offsetOutside);
  // No DKEK at all: a pico answers as if there were one of no shares, a genuine 4.x says that there is none.
  if (keyDomains.length === 0 && p2 === 0 && p1 === 0) {
    if (card.profile.name === "genuine") refuse(SW.referencedDataNotFound);
    return data.length === 0 ? ok(new Uint8Array(10)) : refuse(card.profile.sw.shareNotExpected);
  }
  if (p2 >= keyDomains.length) refuse(p2 === 0 ? SW.referencedDataNotFound : SW.wrongP1P2);
  const domain = keyDomains[p2] ?? null;
  switch (p1) {
    case 0x00:
      if (domain === null) return refuse(SW.referencedDataNotFound);
      return data.length === 0 ? ok(domainStatus(card, domain)) : importShare(card, domain, data);
    case 0x01:
      return createDomain(card, p2, data);
    case 0x03:
    case 0x04:
      return deleteDomain(card, p2, p1 === 0x03);
    default:
      return refuse(SW.wrongP1P2);
  }
};

/** Shares, shares outstanding, check value: zeros until it can be told. */
function domainStatus(card: Card, domain: KeyDomain): Uint8Array {
  const told = domain.outstanding === 0 && (card.session.userLogin || !card.profile.kcvNeedsLogin);
  const kcv = told ? keyCheckValue(domain) : new Uint8Array(8);
  return concat(Uint8Array.of(domain.shares, domain.outstanding), kcv);
}

/** Needs no PIN: custodians do not know it. */
function importShare(card: Card, domain: KeyDomain, share: Uint8Array) {
  if (share.length !== dkekLength) refuse(SW.wrongLength);
  if (domain.outstanding === 0) refuse(card.profile.sw.shareNotExpected);
  addShare(domain, share);
  card.changed();
  return ok(domainStatus(card, domain));
}

function createDomain(card: Card, index: number, data: Uint8Array) {
  mustBeLoggedIn(card);
  const [shares] = data;
  if (shares === undefined || data.length !== 1) return refuse(SW.wrongLength);
  if (card.state.keyDomains[index] !== null) refuse(SW.wrongP1P2);
  const domain = newKeyDomain(shares, card.world);
  card.state.keyDomains[index] = domain;
  card.changed();
  return ok(domainStatus(card, domain));
}

/** Deletes the domain, or only its key: then its shares have to come again. */
function deleteDomain(card: Card, index: number, whole: boolean) {
  mustBeLoggedIn(card);
  const domain = card.state.keyDomains[index] ?? null;
  if (domain === null) return refuse(card.profile.name === "pico" ? SW.wrongP1P2 : SW.referencedDataNotFound);
  if ([...card.state.keys.values()].some((key) => key.rules.domain === index)) refuse(SW.fileExists);
  card.state.keyDomains[index] = whole
    ? null
    : { shares: domain.shares, outstanding: domain.shares, key: new Uint8Array(dkekLength) };
  card.changed();
  // The answer to a successful delete is the status of what is there now.
  return whole ? { data: new Uint8Array(0), sw: SW.referencedDataNotFound } : ok(domainStatusAt(card, index));
}

function domainStatusAt(card: Card, index: number): Uint8Array {
  const domain = card.state.keyDomains[index] ?? refuse(SW.referencedDataNotFound);
  return domainStatus(card, domain);
}

function mustBeLoggedIn(card: Card): void {
  if (card.profile.name === "genuine") requireLogin(card);
  else if (!card.session.userLogin) refuse(SW.conditionsNotSatisfied);
}
