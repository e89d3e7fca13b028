import type { TokenKey } from "../../../cards/smartcard-hsm/keys/token-key.ts";
import type { SmartCardHsm } from "../../../cards/smartcard-hsm/smartcard-hsm.ts";
import { aesLeafKey } from "./card-aes.ts";
import { type CardLeaf, isPublicHalf, mayBeAes } from "./card-keys.ts";

/** A key on a card, and the leaf of a vault that it is (an AES key: may be). */
export interface LeafOnCard {
  readonly leaf: CardLeaf;
  readonly key: TokenKey;
}

/** The keys on a card that are, or may be, these leaves. Needs no login. */
export async function leavesOnCard(
  card: Pick<SmartCardHsm, "listKeys">,
  leaves: readonly CardLeaf[],
): Promise<LeafOnCard[]> {
  const keys = await card.listKeys();
  return leaves.flatMap((leaf) =>
    keys
      .filter((key) => (leaf.kind === "card-aes" ? mayBeAes(leaf, key) : isPublicHalf(leaf, key.publicKey)))
      .map((key) => ({ leaf, key })),
  );
}

/** Whether the key is the leaf's beyond doubt: an AES key has no public half, so it is asked to derive one. Needs a login. */
export async function isLeafKey(card: SmartCardHsm, { leaf, key }: LeafOnCard): Promise<boolean> {
  if (leaf.kind !== "card-aes") return true;
  const derived = await aesLeafKey(card, leaf, key);
  if (derived?.primitive === "x25519") derived.secret.fill(0);
  return derived !== undefined;
}
