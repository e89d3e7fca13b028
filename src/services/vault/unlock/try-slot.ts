import type { KeySource } from "../key-source.ts";
import type { LockedVault } from "../locked-vault.ts";
import { slotNumbered } from "../vault-slots.ts";
import { unlock } from "./unlock.ts";

/**
 * Opens one slot with what is at hand, to see whether it would, and keeps nothing of it.
 * @returns the sources that gave its keys
 * @throws HsmError `VAULT_SLOT_UNKNOWN` (usage), and as `unlock` does
 */
export async function trySlot(
  { target, header, slotStanzas }: LockedVault,
  id: number,
  sources: readonly KeySource[],
): Promise<readonly KeySource[]> {
  slotNumbered(header.slots, id);
  const opened = await unlock({ file: target, slots: header.slots, stanzas: slotStanzas, sources, only: [id] });
  opened.fileKey.fill(0);
  return opened.by;
}
