import { equal } from "../../bytes/bytes.ts";
import { headerMacMatches } from "../../crypto/age/header.ts";
import { openPayload } from "../../crypto/age/payload.ts";
import { fileIdentity, vaultId } from "../../crypto/vault/vault-seed.ts";
import { HsmError } from "../../errors.ts";
import { parseDocument } from "./document/document-json.ts";
import { documentInvalid, type VaultDocument, wipeDocument } from "./document/vault-document.ts";
import type { LockedVault } from "./locked-vault.ts";

/**
 * The payload of a vault whose file key is known, after everything that the file itself can prove: the header's MAC, the
 * payload's own seals, that the id is the seed's, and that header and payload speak of one vault and one generation.
 * Nothing of the header may be used for a write before this.
 * @throws HsmError `VAULT_HEADER_MAC`, `AGE_FILE_INVALID`, `VAULT_DOCUMENT_INVALID` (check-failed)
 */
export function openedPayload(locked: LockedVault, fileKey: Uint8Array): VaultDocument {
  const { age, image, target } = locked;
  if (!headerMacMatches(age, fileKey)) {
    throw new HsmError("VAULT_HEADER_MAC", "check-failed", `the header of ${target} was changed: its MAC is wrong`, {
      advice: `a slot was added, removed or altered by somebody without the vault's key; compare with ${target}.bak`,
    });
  }
  const plain = openPayload(fileKey, image.bytes.subarray(age.length));
  try {
    const document = parseDocument(plain);
    const problem = contradiction(locked, document);
    if (problem === null) return document;
    wipeDocument(document);
    throw documentInvalid(problem);
  } finally {
    plain.fill(0);
  }
}

function contradiction({ header }: LockedVault, document: VaultDocument): string | null {
  if (vaultId(document.seed) !== document.id) return "its id is not that of its seed";
  if (document.retired.some(({ id, seed }) => vaultId(seed) !== id)) return "a retired id is not that of its seed";
  if (document.id !== header.vaultId) return "the header names another vault";
  if (document.generation !== header.generation) return "the header names another generation";
  const { secret, publicKey } = fileIdentity(document.seed);
  secret.fill(0);
  return equal(publicKey, header.fileRecipient) ? null : "the header names another recipient for sealed files";
}
