import { leavesOf, type Slot, type SlotHolder } from "../../crypto/vault/leaf.ts";
import { HsmError } from "../../errors.ts";
import type { KeyOf } from "./unlock/unlock.ts";

/** The slots of a vault, and what is judged before one goes. */

/** A slot that is to be: who opens it, and keys that prove it before anything is written. */
export interface NewSlot {
  readonly label: string;
  readonly holder: SlotHolder;
  /** A key for each of its leaves; used when the vault is saved. */
  readonly proof: KeyOf;
}

/** @throws HsmError `VAULT_SLOT_UNKNOWN` (usage) */
export function slotNumbered(slots: readonly Slot[], id: number): Slot {
  const slot = slots.find((each) => each.id === id);
  if (slot !== undefined) return slot;
  throw new HsmError("VAULT_SLOT_UNKNOWN", "usage", `the vault has no slot ${id}`, {
    advice: `it has ${slots.map((each) => each.id).join(", ")}; \`hsmadm vault status\` shows them`,
  });
}

/**
 * Judges whether a slot may go: the vault must not be left to a drawer, nor without one, unless somebody says so.
 * @param rest the slots that stay
 * @throws HsmError `VAULT_LAST_OPENER`, `VAULT_LAST_RECOVERY` (refused)
 */
export function judgeRemoval(slot: Slot, rest: readonly Slot[], acknowledged: boolean): void {
  if (rest.length === 0) {
    throw new HsmError(
      "VAULT_LAST_OPENER",
      "refused",
      `slot ${slot.id} is the only one: without it nothing opens the vault`,
      {
        advice: "add another slot first; to be rid of the vault, delete its file",
      },
    );
  }
  if (acknowledged) return;
  const advice = `add another first, or give \`--yes-lock-me-out\` if that is what you want`;
  if (!isRecovery(slot.holder) && rest.every(({ holder }) => isRecovery(holder))) {
    throw new HsmError("VAULT_LAST_OPENER", "refused", `slot ${slot.id} is the last one besides the recovery key`, {
      advice,
    });
  }
  if (isRecovery(slot.holder) && !rest.some(({ holder }) => isRecovery(holder))) {
    throw new HsmError("VAULT_LAST_RECOVERY", "refused", `slot ${slot.id} is the last recovery key`, { advice });
  }
}

/** Whether nothing but recovery keys open it. */
export function isRecovery(holder: SlotHolder): boolean {
  return leavesOf(holder).every(({ kind }) => kind === "recovery");
}

/** The slot that opened the vault cannot remove itself: who knows that another one opens it? */
export function slotOpened(id: number): HsmError {
  return new HsmError(
    "VAULT_SLOT_OPENED",
    "refused",
    `slot ${id} opened the vault just now, so it cannot remove itself`,
    { advice: "open the vault with another slot: that proves that one is left" },
  );
}
