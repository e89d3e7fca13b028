import { randomBytes } from "node:crypto";
import { bitsOfKey } from "../../../cards/smartcard-hsm/keys/public-key.ts";
import { keyName, type TokenKey } from "../../../cards/smartcard-hsm/keys/token-key.ts";

import { isVaultCurve } from "../../../crypto/vault/curve-names.ts";
import { limits } from "../../../crypto/vault/names.ts";
import { HsmError } from "../../../errors.ts";
import { aesPair } from "./card-aes.ts";
import { type CardLeaf, hintsOf, obstacle, type VaultCard } from "./card-keys.ts";
import { type CardSourceOptions, cardSource } from "./card-source.ts";
import type { Enrolment } from "./enrolment.ts";

export interface CardEnrolmentOptions extends CardSourceOptions {
  /** Leaves serial, label and reference of the key out of the vault's header. */
  readonly anonymous?: boolean;
  readonly random?: (length: number) => Uint8Array;
}

/**
 * Makes a key of the card a leaf of a vault. Only an AES key needs the PIN for that: it has no public half to read.
 * @param identifier label, id or reference, as `key list` shows them
 * @throws HsmError `KEY_NOT_FOUND`, `KEY_AMBIGUOUS` (usage), `VAULT_KEY_UNSUITABLE`, `ALGORITHM_NOT_ALLOWED`
 *   (not-supported), `KEY_USED_UP` (blocked)
 */
export async function enrolCardKey(
  card: VaultCard,
  identifier: string,
  options: CardEnrolmentOptions,
): Promise<Enrolment> {
  const identity = await card.identity();
  const key = await card.findKey(identifier);
  const kind = leafKindOf(key, options.title);
  const problem = obstacle(kind, key, options.title);
  if (problem !== undefined) throw problem;
  const hints = hintsOf(key, identity, options.anonymous === true);
  const leaf = await leafOf(card, kind, key, hints, options);
  return { leaf, warnings: warningsOf(key), source: cardSource(card, options) };
}

async function leafOf(
  card: VaultCard,
  kind: CardLeaf["kind"],
  key: TokenKey,
  hints: CardLeaf["card"],
  options: CardEnrolmentOptions,
): Promise<CardLeaf> {
  const { publicKey } = key;
  if (publicKey?.kind === "ec") return { kind: "card-ec", curve: publicKey.curve, point: publicKey.point, card: hints };
  if (publicKey?.kind === "rsa") {
    return { kind: "card-rsa", modulus: publicKey.modulus, exponent: publicKey.exponent, card: hints };
  }
  if (kind !== "card-aes") throw unsuitable(key, options.title, "it does not tell its public half", "certificate");
  if (card.loggedIn !== "user-pin") await card.verifyUserPin(options.pin);
  const salt = (options.random ?? ((length) => new Uint8Array(randomBytes(length))))(16);
  const pair = await aesPair(card, key, salt);
  pair.secret.fill(0);
  return { kind, publicKey: pair.publicKey, salt, card: hints };
}

function leafKindOf(key: TokenKey, token: string): CardLeaf["kind"] {
  const { kind, publicKey } = key;
  if (kind === "aes") return "card-aes";
  if (publicKey === null) {
    throw unsuitable(
      key,
      token,
      "it does not tell its public half",
      "its certificate or request is missing or damaged",
    );
  }
  if (publicKey.kind === "ec") {
    if (isVaultCurve(publicKey.curve)) return "card-ec";
    throw unsuitable(key, token, `vaults have no stanza for its curve, ${publicKey.curve}`, "generate a P-256 key");
  }
  const bits = bitsOfKey(publicKey);
  if (bits >= limits.rsaBitsMin && bits <= limits.rsaBitsMax) return "card-rsa";
  throw unsuitable(
    key,
    token,
    `its ${bits} bits are ${bits < limits.rsaBitsMin ? "too few" : "too many"}`,
    `an RSA key has ${limits.rsaBitsMin} bits or more here; EC P-256 is the better choice`,
  );
}

/** A key that ends, or that nothing else has, is told of before a vault depends on it. */
function warningsOf(key: TokenKey): string[] {
  const uses = key.metadata?.usesLeft;
  if (typeof uses !== "number") return [];
  return [
    `${keyName(key)} may be used ${uses} more ${uses === 1 ? "time" : "times"}; after that this slot opens nothing any more`,
  ];
}

function unsuitable(key: TokenKey, token: string, why: string, advice: string): HsmError {
  return new HsmError("VAULT_KEY_UNSUITABLE", "not-supported", `${keyName(key)} on ${token} opens no vault: ${why}`, {
    advice,
    token,
  });
}
