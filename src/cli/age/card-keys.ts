import { bitsOfKey } from "../../cards/smartcard-hsm/keys/public-key.ts";
import type { KeyInUse, TokenKey } from "../../cards/smartcard-hsm/keys/token-key.ts";
import { formatP256TagRecipient } from "../../crypto/age/p256tag.ts";
import { formatPluginIdentity, formatPluginRecipient } from "../../crypto/age/plugin-keys.ts";
import { publicKeySsh } from "../../crypto/keys/public-key-formats.ts";
import { isVaultCurve } from "../../crypto/vault/curve-names.ts";
import type { CardEcLeaf, CardHints, CardRsaLeaf } from "../../crypto/vault/leaf.ts";
import { limits } from "../../crypto/vault/names.ts";
import { type HsmError, messageOf } from "../../errors.ts";
import { hintsOf, obstacle, type VaultCard } from "../../services/vault/openers/card-keys.ts";
import { keyTag } from "./key-tag.ts";

/** A key on a card that files can be encrypted to. */
export interface AgeKey {
  readonly key: TokenKey;
  readonly leaf: CardEcLeaf | CardRsaLeaf;
}

export interface AgeKeys {
  readonly keys: readonly AgeKey[];
  /** The others, and why. */
  readonly others: readonly { readonly key: TokenKey; readonly why: string }[];
}

/** The keys of a card that age can use. No PIN is asked for. */
export async function ageKeys(card: VaultCard, title: string): Promise<AgeKeys> {
  const identity = await card.identity();
  const keys: AgeKey[] = [];
  const others: { key: TokenKey; why: string }[] = [];
  for (const key of await card.listKeys()) {
    const leaf = leafOf(key, hintsOf(key, identity, false));
    if (typeof leaf === "string") {
      others.push({ key, why: leaf });
      continue;
    }
    const problem = await whyNot(card, leaf, key, title);
    if (problem === undefined) keys.push({ key, leaf });
    else others.push({ key, why: messageOf(problem) });
  }
  return { keys, others };
}

function leafOf(key: TokenKey, card: CardHints): AgeKey["leaf"] | string {
  const { publicKey } = key;
  if (key.kind === "aes") return "an AES key has no public half";
  if (publicKey === null) return "its public half is not on the card";
  if (publicKey.kind === "ec") {
    const { curve, point } = publicKey;
    return isVaultCurve(curve) ? { kind: "card-ec", curve, point, card } : `no recipient for keys on ${curve}`;
  }
  const { modulus, exponent } = publicKey;
  const bits = bitsOfKey(publicKey);
  if (bits < limits.rsaBitsMin || bits > limits.rsaBitsMax) {
    return `an RSA key for age has ${limits.rsaBitsMin} to ${limits.rsaBitsMax} bits, this one ${bits}`;
  }
  return { kind: "card-rsa", modulus, exponent, card };
}

/** A key that may only sign opens no file: nobody is to encrypt to it. */
async function whyNot(
  card: VaultCard,
  leaf: AgeKey["leaf"],
  key: TokenKey,
  title: string,
): Promise<HsmError | undefined> {
  const metadata: KeyInUse["metadata"] = key.metadata ?? (await card.keyMetadata(key.ref));
  return obstacle(leaf.kind, { ...key, metadata }, title);
}

/** What to encrypt to: `age1tag1…` on P-256, an `ssh-rsa` line, `age1hsmadm1…` on other curves. */
export function recipientOf({ leaf, key }: AgeKey): string {
  if (leaf.kind === "card-rsa") return publicKeySsh({ ...leaf, kind: "rsa" }, key.label);
  if (leaf.curve === "secp256r1") return formatP256TagRecipient(leaf.point);
  return formatPluginRecipient({ kind: "ec", curve: leaf.curve, point: leaf.point });
}

/** The identity that finds this key again. */
export function identityOf({ leaf }: AgeKey): string {
  const { serial } = leaf.card;
  return formatPluginIdentity({ kind: "key", tag: keyTag(leaf), ...(serial === undefined ? {} : { serial }) });
}
