import type { VaultHeader } from "../../crypto/vault/vault-header.ts";
import { fileIdentity, vaultId } from "../../crypto/vault/vault-seed.ts";
import { HsmError } from "../../errors.ts";
import type { VaultDocument } from "./document/vault-document.ts";

/** The seed that a vault hangs on, and those that it replaced. */

/** What a header says of a seed: the id is a commitment to it, the recipient the public half of its file identity. */
export function publicRoot(seed: Uint8Array): Pick<VaultHeader, "vaultId" | "fileRecipient"> {
  const { secret, publicKey } = fileIdentity(seed);
  secret.fill(0);
  return { vaultId: vaultId(seed), fileRecipient: publicKey };
}

/** The document with another seed, the old one kept among the retired. @param now as `vaultDate` gives it */
export function withNewRoot(document: VaultDocument, seed: Uint8Array, now: string): VaultDocument {
  const old = { id: document.id, seed: document.seed, retired: now };
  return { ...document, id: vaultId(seed), seed, retired: [...document.retired, old] };
}

/** The document without its retired seeds, which are wiped. */
export function withoutRetired(document: VaultDocument): VaultDocument {
  for (const { seed } of document.retired) seed.fill(0);
  return { ...document, retired: [] };
}

/** @param id of the vault now (also when absent) or before a rekey @throws HsmError `VAULT_SEED_UNKNOWN` (usage) */
export function seedOf(document: VaultDocument, id: string | undefined): Uint8Array {
  if (id === undefined || id === document.id) return document.seed;
  const old = document.retired.find((each) => each.id === id);
  if (old !== undefined) return old.seed;
  throw new HsmError("VAULT_SEED_UNKNOWN", "usage", `the vault keeps no seed of ${id}`, {
    advice: "`hsmadm vault status` shows its id, `vault open` the retired ones",
  });
}
