import { x25519PublicKey } from "../../../../src/crypto/age/x25519.ts";
import type { LeafKey } from "../../../../src/crypto/vault/leaf.ts";
import type { KeySource } from "../../../../src/services/vault/key-source.ts";

/** A recovery key as a source, without anything that a child process would have to load for other kinds. */
export function recoveryOf(secret: Uint8Array): KeySource {
  const own = String(x25519PublicKey(secret));
  const key: LeafKey = { primitive: "x25519", secret };
  return {
    title: "recovery key",
    kind: "recovery",
    match: async (leaves) =>
      leaves
        .filter(({ leaf }) => leaf.kind === "recovery" && String(leaf.publicKey) === own)
        .map((ref) => ({ ref, how: "certain" })),
    keys: async (refs) => new Map(refs.map((ref) => [ref, key])),
    close: async () => undefined,
  };
}
