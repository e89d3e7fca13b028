import { SW } from "../../apdu/status-word.ts";
import { utf8Bytes } from "../../bytes/bytes.ts";
import { type Card, type CommandHandler, dataOf, ok, refuse } from "../card.ts";
import { keyLoginStatus, keyToRegister, requireKeyLogin } from "../public-key-login.ts";
import { options, type PublicKeyLogin, type RegisteredKey } from "../token-state.ts";

/** MANAGE PKA: registers a key, tells how many there are, replaces one, names one (reference 02 section 2.18). */
export const managePublicKeys: CommandHandler = (card, command) => {
  const { p1, p2 } = command;
  const data = dataOf(command);
  const registering = data.length > 0;
  const notConfigured = card.profile.name === "pico" && registering ? SW.fileNotFound : undefined;
  const publicKeys = requireKeyLogin(card, notConfigured);
  if (p1 === 0x02) return nameOf(card, publicKeys, p2);
  if (p1 > 0x02 || (p1 === 0x01 && !registering) || (p1 === 0x00 && p2 !== 0)) refuse(SW.wrongP1P2);
  if (registering) {
    requireRightTo(card, p1);
    if (p1 === 0x01) replace(card, publicKeys, p2, data);
    else register(card, publicKeys, data);
    card.changed();
  }
  return ok(keyLoginStatus(card, publicKeys));
};

function register(card: Card, { total, registered }: PublicKeyLogin, data: Uint8Array): void {
  const key = keyToRegister(card, data);
  if (registered.length >= total) refuse(SW.notEnoughMemory);
  refuseTwin(card, registered, key);
  registered.push(key);
}

function replace(card: Card, { registered }: PublicKeyLogin, index: number, data: Uint8Array): void {
  if ((card.state.options & options.replaceKeys) === 0) refuse(SW.conditionsNotSatisfied);
  if (registered[index] === undefined) refuse(SW.wrongP1P2);
  const key = keyToRegister(card, data);
  refuseTwin(card, registered.toSpliced(index, 1), key);
  registered[index] = key;
  card.session.keyLogin.answered.delete(index);
}

/** A genuine token takes custodians until all are there, and later only with a login (choice); a pico wants its PIN. */
function requireRightTo(card: Card, p1: number): void {
  const { session } = card;
  const allowed = card.profile.name === "pico" ? session.pinVerified : p1 === 0x00 || session.userLogin;
  if (!allowed) refuse(SW.securityStatusNotSatisfied);
}

/** One custodian must not answer for two (choice). A pico does not look. */
function refuseTwin(card: Card, registered: readonly RegisteredKey[], key: RegisteredKey): void {
  if (card.profile.checksRegisteredKeys && registered.some(({ chr }) => chr === key.chr)) refuse(SW.fileExists);
}

/** The name of a registered key; 9001 instead of 9000 when it has answered in this session. */
function nameOf(card: Card, { total, registered }: PublicKeyLogin, index: number) {
  if (index >= total) refuse(SW.wrongP1P2);
  const key = registered[index] ?? refuse(SW.referencedDataNotFound);
  return { data: utf8Bytes(key.chr), sw: card.session.keyLogin.answered.has(index) ? 0x9001 : SW.ok };
}
