import { readVaultImage } from "./file/vault-store.ts";
import type { HostState, RememberedLeg, RememberedSlot, RememberedVault } from "./host-state.ts";
import { lockedImage } from "./locked-vault.ts";
import { rememberedSlot } from "./vault-pins.ts";

/** What is about to be lost: a whole token, or one key of it. */
export interface EndangeredToken {
  /** `leafFingerprint` of each key that will be gone. */
  readonly keys: readonly string[];
  /** With these every card leaf that hints at this token counts too; leave them out where only some keys go. */
  readonly serial?: string | undefined;
  /** Hex. */
  readonly deviceKeyHash?: string | undefined;
  /** Counts leaves of this kind alone by their hints: where AES keys go, which nothing else tells from one another. */
  readonly hintsFor?: "card-aes" | undefined;
}

/**
 * What a known vault would have left. `only`: nothing opens it any more. `besides-recovery`: only its recovery key does.
 * `one-of-several`: other slots open it.
 */
export interface GuardedVault {
  readonly path: string;
  readonly id: string;
  readonly role: "only" | "besides-recovery" | "one-of-several";
  /** Slots that would be gone, with the keys that are lost. */
  readonly slots: readonly { readonly slot: number; readonly label: string; readonly keys: readonly string[] }[];
  /** Whether the file could be read now; else this is what the host remembers of it. */
  readonly seen: boolean;
}

/**
 * The known vaults that a token, or a key of it, opens. Clones of a key on other tokens are not known here, so it errs
 * towards the warning.
 * @throws HsmError `VAULT_STATE_UNREADABLE` (refused): what cannot be read might be the vault in question
 */
export async function guardedVaults(state: HostState, token: EndangeredToken): Promise<readonly GuardedVault[]> {
  const found: GuardedVault[] = [];
  for (const vault of await state.all()) {
    const current = await currentSlots(vault);
    const guarded = judge(vault, current ?? vault.slots, token, current !== null);
    if (guarded !== null) found.push(guarded);
  }
  return found;
}

/** The slots the file has now, or `null` when it is away, damaged, another vault or an older one. */
async function currentSlots({ path, id, generation }: RememberedVault): Promise<readonly RememberedSlot[] | null> {
  try {
    const { header } = lockedImage(path, await readVaultImage(path));
    const known = header.vaultId === id && header.generation >= generation;
    return known ? header.slots.map(rememberedSlot) : null;
  } catch {
    return null;
  }
}

function judge(
  { path, id }: RememberedVault,
  slots: readonly RememberedSlot[],
  token: EndangeredToken,
  seen: boolean,
): GuardedVault | null {
  const isLost = (leg: RememberedLeg) => isOnToken(leg, token);
  const lost = slots.filter(({ legs, needed }) => legs.length - legs.filter(isLost).length < needed);
  if (lost.length === 0) return null;
  const left = slots.filter((slot) => !lost.includes(slot));
  return {
    path,
    id,
    role: left.length === 0 ? "only" : left.every(isRecovery) ? "besides-recovery" : "one-of-several",
    slots: lost.map((slot) => ({
      slot: slot.id,
      label: slot.label,
      keys: slot.legs.filter(isLost).map(({ title }) => title),
    })),
    seen,
  };
}

function isOnToken({ key, serial, deviceKeyHash }: RememberedLeg, token: EndangeredToken): boolean {
  if (token.keys.includes(key)) return true;
  if (token.hintsFor !== undefined && !key.startsWith(`${token.hintsFor}:`)) return false;
  if (token.deviceKeyHash !== undefined && deviceKeyHash !== undefined) return token.deviceKeyHash === deviceKeyHash;
  return token.serial !== undefined && token.serial === serial;
}

function isRecovery({ legs }: RememberedSlot): boolean {
  return legs.every(({ key }) => key.startsWith("recovery:"));
}
