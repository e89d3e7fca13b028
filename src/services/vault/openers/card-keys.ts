import { equal } from "../../../bytes/bytes.ts";
import { algorithmIds } from "../../../cards/smartcard-hsm/keys/algorithms.ts";
import { allows } from "../../../cards/smartcard-hsm/keys/key-metadata.ts";
import { bitsOfKey, type TokenPublicKey } from "../../../cards/smartcard-hsm/keys/public-key.ts";
import { type KeyInUse, keyName, type TokenKey } from "../../../cards/smartcard-hsm/keys/token-key.ts";
import type { SmartCardHsm } from "../../../cards/smartcard-hsm/smartcard-hsm.ts";
import type { CardHints, Leaf } from "../../../crypto/vault/leaf.ts";
import { HsmError } from "../../../errors.ts";

/** What the vault asks of a SmartCard-HSM. */
export type VaultCard = Pick<
  SmartCardHsm,
  | "identity"
  | "publicKey"
  | "keyMetadata"
  | "readKey"
  | "listKeys"
  | "findKey"
  | "loggedIn"
  | "verifyUserPin"
  | "deriveEcdh"
  | "decrypt"
  | "aesCmac"
>;

export type CardLeaf = Extract<Leaf, { readonly kind: "card-ec" | "card-rsa" | "card-aes" }>;

export function isCardLeaf(leaf: Leaf): leaf is CardLeaf {
  return leaf.kind === "card-ec" || leaf.kind === "card-rsa" || leaf.kind === "card-aes";
}

/** The one operation with which a key of each kind opens a slot. */
const operations = {
  "card-ec": algorithmIds.ecdh,
  "card-rsa": algorithmIds["rsa-raw-decrypt"],
  "card-aes": algorithmIds["aes-cmac"],
} as const satisfies Record<CardLeaf["kind"], number>;

/** Whether this is the public half that the leaf speaks of. A key that was cloned under a DKEK has the same. */
export function isPublicHalf(leaf: CardLeaf, key: TokenPublicKey | null): boolean {
  if (key === null) return false;
  if (leaf.kind === "card-ec") return key.kind === "ec" && equal(key.point, leaf.point);
  if (leaf.kind === "card-rsa") {
    return key.kind === "rsa" && equal(key.modulus, leaf.modulus) && equal(key.exponent, leaf.exponent);
  }
  return false;
}

/** An AES key has no public half: its names are all that can be seen of it without a login. */
export function mayBeAes({ card }: Extract<CardLeaf, { kind: "card-aes" }>, key: TokenKey): boolean {
  if (key.kind !== "aes") return false;
  if (card.keyLabel === undefined && card.ckaId === undefined) return true;
  return (
    (card.keyLabel === undefined || card.keyLabel === key.label) &&
    (card.ckaId === undefined || equal(card.ckaId, key.id))
  );
}

/** A key of which the certificate alone was read. */
export function keyInUse(ref: number, publicKey: TokenPublicKey, metadata: KeyInUse["metadata"]): KeyInUse {
  return {
    ref,
    label: "",
    kind: publicKey.kind,
    bits: bitsOfKey(publicKey),
    curve: publicKey.kind === "ec" ? publicKey.curve : null,
    publicKey,
    metadata,
  };
}

/**
 * Why the token will not let this key open the slot, as far as it tells before a login; `undefined` when nothing is in
 * the way. Asked before the PIN: a PIN is not to be typed, nor a try to be risked, for what cannot work.
 */
export function obstacle(kind: CardLeaf["kind"], key: KeyInUse, token: string): HsmError | undefined {
  if (key.metadata?.usesLeft === 0) {
    return new HsmError("KEY_USED_UP", "blocked", `${keyName(key)} on ${token} has no uses left`, {
      advice: "open the vault with another slot, and give this one a new key with `hsmadm vault slot rotate`",
      token,
    });
  }
  if (allows(key.metadata, operations[kind])) return undefined;
  const operation = { "card-ec": "ECDH", "card-rsa": "raw RSA decryption", "card-aes": "AES-CMAC" }[kind];
  return new HsmError("ALGORITHM_NOT_ALLOWED", "not-supported", `${keyName(key)} on ${token} may not do ${operation}`, {
    advice: "that was fixed when the key was made; generate another one for the vault",
    token,
  });
}

/** Where the key was when it was enrolled: hints for finding it, no proof of anything. */
export function hintsOf(
  key: TokenKey,
  identity: Awaited<ReturnType<VaultCard["identity"]>>,
  anonymous: boolean,
): CardHints {
  if (anonymous) return {};
  const hash = identity.key.slice(0, 32).match(/../g) ?? [];
  return {
    ...(identity.serial === "" ? {} : { serial: identity.serial }),
    ...(key.label === "" ? {} : { keyLabel: key.label }),
    keyRef: key.ref,
    ...(key.id.length === 0 ? {} : { ckaId: key.id }),
    ...(hash.length === 16 ? { deviceKeyHash: Uint8Array.from(hash, (digits) => Number.parseInt(digits, 16)) } : {}),
  };
}
