import { p256Point } from "../../crypto/age/p256.ts";
import { p256TagMatches, p256TagMatchesHash } from "../../crypto/age/p256tag.ts";
import { publicKeyTag } from "../../crypto/age/plugin-keys.ts";
import { sshRsaMatches, sshRsaMatchesTag, sshRsaTag } from "../../crypto/age/ssh-rsa.ts";
import type { Stanza } from "../../crypto/age/stanza.ts";
import { ecdhMatches, ecdhMatchesHash } from "../../crypto/vault/ecdh-stanza.ts";
import type { Leaf } from "../../crypto/vault/leaf.ts";

/**
 * The four bytes by which an identity names a key: of the same hash that the key's stanzas carry or are tagged with, so
 * that the identity alone tells whether a file is meant for its key, and no token is asked about another one's.
 */
export function keyTag(leaf: Leaf): Uint8Array {
  switch (leaf.kind) {
    case "card-ec":
      return publicKeyTag(compressedOnP256(leaf.curve, leaf.point));
    case "card-rsa":
      return sshRsaTag(leaf);
    default:
      return publicKeyTag(leaf.publicKey);
  }
}

function compressedOnP256(curve: string, point: Uint8Array): Uint8Array {
  return (curve === "secp256r1" ? p256Point(point)?.compressed : undefined) ?? point;
}

/**
 * Whether a stanza outside a vault is for the key with this tag. One chance in 2^32 of a false yes.
 * @throws HsmError `AGE_FILE_INVALID`, `VAULT_HEADER_INVALID` (check-failed) for a malformed one
 */
export function isTagged(stanza: Stanza, tag: Uint8Array): boolean {
  return p256TagMatchesHash(stanza, tag) || sshRsaMatchesTag(stanza, tag) || ecdhMatchesHash(stanza, tag);
}

/** Whether a stanza outside a vault is for this very key. @throws as {@link isTagged} */
export function isFor(stanza: Stanza, leaf: Leaf): boolean {
  if (leaf.kind === "card-rsa") return sshRsaMatches(stanza, leaf);
  if (leaf.kind !== "card-ec") return false;
  return leaf.curve === "secp256r1" ? p256TagMatches(stanza, leaf.point) : ecdhMatches(stanza, leaf);
}
