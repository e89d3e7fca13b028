import { equal } from "../../../bytes/bytes.ts";
import type { KeyInUse } from "../../../cards/smartcard-hsm/keys/token-key.ts";
import { aesCmacSecret, derivedX25519 } from "../../../crypto/vault/derived-key.ts";
import type { Leaf, LeafKey } from "../../../crypto/vault/leaf.ts";
import type { VaultCard } from "./card-keys.ts";

type AesLeaf = Extract<Leaf, { readonly kind: "card-aes" }>;

/**
 * The X25519 key that an AES key on the card derives (two CMACs). Whether it is the key of the leaf shows only now, by
 * the public half: keys of one label may be there on many cards. `undefined` when it is not. Needs a login.
 */
export async function aesLeafKey(card: VaultCard, leaf: AesLeaf, key: KeyInUse): Promise<LeafKey | undefined> {
  const pair = await aesPair(card, key, leaf.salt);
  if (equal(pair.publicKey, leaf.publicKey)) return { primitive: "x25519", secret: pair.secret };
  pair.secret.fill(0);
  return undefined;
}

/** @param salt 16 bytes, drawn at enrolment */
export async function aesPair(
  card: VaultCard,
  key: KeyInUse,
  salt: Uint8Array,
): Promise<{ readonly secret: Uint8Array; readonly publicKey: Uint8Array }> {
  const derived = await aesCmacSecret((message) => card.aesCmac(key, message), salt);
  try {
    return derivedX25519("card-aes", derived, salt);
  } finally {
    derived.fill(0);
  }
}
