import { createHash } from "node:crypto";
import { concat, utf8Bytes } from "../../bytes/bytes.ts";
import { toHex } from "../../bytes/hex.ts";
import type { Leaf } from "../../crypto/vault/leaf.ts";

/**
 * What tells one opener from another: two leaves with the same text are opened by the same key, wherever it is. The kind
 * belongs to it, so that nobody is led to take a FIDO2 credential for a passphrase. Public, and short enough to keep.
 */
export function leafFingerprint(leaf: Leaf): string {
  const digest = createHash("sha256").update(publicHalf(leaf)).digest();
  return `${leaf.kind}:${toHex(new Uint8Array(digest.subarray(0, 16))).toLowerCase()}`;
}

function publicHalf(leaf: Leaf): Uint8Array {
  switch (leaf.kind) {
    case "card-ec":
      return concat(utf8Bytes(`${leaf.curve}\0`), leaf.point);
    case "card-rsa":
      return leaf.modulus;
    default:
      return leaf.publicKey;
  }
}

/** How people know a leaf: `card DENK0105213 (vault)`, `a passphrase`. */
export function leafTitle(leaf: Leaf): string {
  switch (leaf.kind) {
    case "card-ec":
    case "card-rsa":
    case "card-aes": {
      const { serial, keyLabel } = leaf.card;
      const name = serial === undefined ? `a card (${leafFingerprint(leaf).slice(-32, -24)})` : `card ${serial}`;
      return keyLabel === undefined ? name : `${name} key ${keyLabel}`;
    }
    case "fido2":
      return `FIDO2 ${leafFingerprint(leaf).slice(-32, -24)}`;
    case "passphrase":
      return "passphrase";
    case "recovery":
      return "recovery key";
  }
}
