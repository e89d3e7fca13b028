import { utf8Text } from "../../bytes/bytes.ts";
import { leavesOf, type Slot, type SlotHolder } from "../../crypto/vault/leaf.ts";
import { HsmError } from "../../errors.ts";
import {
  checkSecretName,
  documentLimits,
  isNote,
  type SecretType,
  type VaultDocument,
  type VaultSecret,
} from "./document/vault-document.ts";

/** Changes to what a vault holds, each judged before it is made. */

export interface NewSecret {
  readonly value: Uint8Array;
  /** `raw` unless told otherwise. */
  readonly type?: SecretType | undefined;
  /** Kept as it is when absent, taken away when empty. */
  readonly note?: string | undefined;
}

/** @throws HsmError `VAULT_NAME_INVALID`, `VAULT_SECRET_INVALID` (usage), `VAULT_TOO_LARGE` (refused) */
export function secretAfter(
  before: VaultSecret | undefined,
  name: string,
  { value, type = "raw", note }: NewSecret,
  now: string,
): VaultSecret {
  checkSecretName(name);
  if (type === "text" && utf8Text(value) === null) throw secretInvalid("a secret of type text is not UTF-8");
  if (note !== undefined && !isNote(note))
    throw secretInvalid(`a note has at most ${documentLimits.note} printable characters`);
  const kept = note ?? before?.note;
  return {
    type,
    value: value.slice(),
    revision: (before?.revision ?? 0) + 1,
    created: before?.created ?? now,
    updated: now,
    ...(kept === undefined || kept === "" ? {} : { note: kept }),
  };
}

function secretInvalid(problem: string): HsmError {
  return new HsmError("VAULT_SECRET_INVALID", "usage", problem);
}

/** @throws HsmError `VAULT_SECRET_UNKNOWN` (usage) */
export function secretNamed(document: VaultDocument, name: string): VaultSecret {
  const secret = document.secrets.get(name);
  if (secret !== undefined) return secret;
  checkSecretName(name);
  throw new HsmError("VAULT_SECRET_UNKNOWN", "usage", `the vault has no secret ${name}`, {
    advice: "`hsmadm vault list` names them",
  });
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
