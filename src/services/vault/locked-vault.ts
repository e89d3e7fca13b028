import { type AgeHeader, parseAgeHeader } from "../../crypto/age/header.ts";
import type { Stanza } from "../../crypto/age/stanza.ts";
import { readVaultStanzas, type VaultHeader } from "../../crypto/vault/vault-header.ts";
import { readVaultImage, type VaultImage, vaultTarget } from "./file/vault-store.ts";

/** A vault as anybody sees it: nothing of it is verified before a slot has opened. */
export interface LockedVault {
  /** The file itself, links followed. */
  readonly target: string;
  /** @internal */
  readonly image: VaultImage;
  /** @internal */
  readonly age: AgeHeader;
  readonly header: VaultHeader;
  /** @internal The key stanzas of each slot, by its id. */
  readonly slotStanzas: ReadonlyMap<number, readonly Stanza[]>;
}

/**
 * Reads a vault's header; touches no device.
 * @throws HsmError `VAULT_NOT_READABLE`, `VAULT_PATH_INVALID`, `VAULT_FILE_INVALID`, `AGE_FILE_INVALID`,
 *   `VAULT_HEADER_INVALID` (check-failed), `AGE_VERSION` (not-supported)
 */
export async function lockedVault(path: string): Promise<LockedVault> {
  const target = await vaultTarget(path);
  return lockedImage(target, await readVaultImage(target));
}

export function lockedImage(target: string, image: VaultImage): LockedVault {
  const age = parseAgeHeader(image.bytes);
  return { target, image, age, ...readVaultStanzas(age.stanzas) };
}
