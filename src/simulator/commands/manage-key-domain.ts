import { SW } from "../../apdu/status-word.ts";
import { concat } from "../../bytes/bytes.ts";
import { dkekBytes, keyCheckValue } from "../../crypto/shares/dkek.ts";
import { type Card, type CommandHandler, dataOf, ok, refuse, requireLogin } from "../card.ts";
import { addShare, newKeyDomain } from "../key-domain.ts";
import { domainAt } from "../key-rules.ts";
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
  const domain = domainAt(card, p2);
  switch (p1) {
    case 0x00:
      if (domain === null) return refuse(SW.referencedDataNotFound);
      return data.length === 0 ? ok(domainStatus(card, domain)) : importShare(card, domain, data);
    case 0x01:
      return createDomain(card, p2, data);
    case 0x03:
      return deleteDomain(card, p2);
    case 0x04:
      return clearDomain(card, p2);
    default:
      return refuse(SW.wrongP1P2);
  }
};

/** Shares, shares outstanding, check value: zeros until it can be told. */
function domainStatus(card: Card, domain: KeyDomain): Uint8Array {
  const told = domain.outstanding === 0 && (card.session.userLogin || !card.profile.kcvNeedsLogin);
  const kcv = told ? keyCheckValue(domain.key) : new Uint8Array(8);
  return concat(Uint8Array.of(domain.shares, domain.outstanding), kcv);
}

/** Needs no PIN: custodians do not know it. */
function importShare(card: Card, domain: KeyDomain, share: Uint8Array) {
  if (share.length !== dkekBytes) refuse(SW.wrongLength);
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

/** A domain that holds keys stays. The answer tells what is there now: nothing. */
function deleteDomain(card: Card, index: number) {
  mustBeLoggedIn(card);
  presentDomain(card, index);
  if ([...card.state.keys.values()].some((key) => key.rules.domain === index)) refuse(SW.fileExists);
  card.state.keyDomains[index] = null;
  card.changed();
  return { data: new Uint8Array(0), sw: SW.referencedDataNotFound };
}

/** The domain's key is forgotten, its own keys stay: the shares have to come again, or a random key takes its place. */
function clearDomain(card: Card, index: number) {
  mustBeLoggedIn(card);
  const domain = newKeyDomain(presentDomain(card, index).shares, card.world);
  card.state.keyDomains[index] = domain;
  card.changed();
  return ok(domainStatus(card, domain));
}

function presentDomain(card: Card, index: number): KeyDomain {
  return domainAt(card, index) ?? refuse(card.profile.name === "pico" ? SW.wrongP1P2 : SW.referencedDataNotFound);
}

function mustBeLoggedIn(card: Card): void {
  if (card.profile.name === "genuine") requireLogin(card);
  else if (!card.session.userLogin) refuse(SW.conditionsNotSatisfied);
}
