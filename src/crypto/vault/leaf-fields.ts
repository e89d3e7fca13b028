import { concat } from "../../bytes/bytes.ts";
import { HsmError } from "../../errors.ts";
import { x25519PublicKey } from "../age/x25519.ts";
import { prefixed } from "./kdf.ts";
import type { Leaf, LeafKey } from "./leaf.ts";

/** A leaf's public key as key derivations take it. */
export function publicKeyBytes(leaf: Leaf): Uint8Array {
  if (leaf.kind === "card-ec") return leaf.point;
  if (leaf.kind === "card-rsa") return concat(prefixed(leaf.exponent), prefixed(leaf.modulus));
  return leaf.publicKey;
}

/** The key that was lent, as the one that this kind of leaf needs. */
export function asPrimitive<P extends LeafKey["primitive"]>(
  leaf: Leaf,
  key: LeafKey,
  primitive: P,
): Extract<LeafKey, { primitive: P }> {
  if (key.primitive === primitive) return key as Extract<LeafKey, { primitive: P }>;
  throw new HsmError("VAULT_LEAF_KEY", "unexpected", `a ${leaf.kind} leaf needs ${primitive}, not ${key.primitive}`);
}

/**
 * Whether an X25519 secret is the leaf's. Known before anything is decrypted, and the better message: FIDO2 devices give
 * another secret with user verification than without, a wrong passphrase gives another key.
 */
export function ownsPublicKey(publicKey: Uint8Array, secret: Uint8Array): boolean {
  return secret.length === 32 && x25519PublicKey(secret).every((byte, i) => byte === publicKey[i]);
}
