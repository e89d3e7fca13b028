import { type Leaf, leavesOf, type Slot } from "../../crypto/vault/leaf.ts";
import { leafFingerprint, leafTitle } from "./leaf-key.ts";
import { neededLegs } from "./unlock/unlock-plan.ts";
import { isRecovery } from "./vault-slots.ts";

/** What a vault's slots come to, taken together: any one of them opens it. */
export interface VaultPolicy {
  /** `card A alone; recovery key alone; card B AND FIDO2 C; any 2 of (…)`. */
  readonly opensWith: string;
  readonly slots: readonly { readonly slot: number; readonly label: string; readonly words: string }[];
  readonly warnings: readonly PolicyWarning[];
}

export interface PolicyWarning {
  /**
   * `SLOT_POINTLESS`: whoever opens it can open another slot with less. `SLOT_WEAKENED`: another slot opens with some of
   * its keys. `SINGLE_FACTOR`: one key alone opens the vault, although others need several. `NO_RECOVERY`, `ONE_SLOT`:
   * no way back. `ONE_TOKEN`: every way leads through one token.
   */
  readonly code: "SLOT_POINTLESS" | "SLOT_WEAKENED" | "SINGLE_FACTOR" | "NO_RECOVERY" | "ONE_SLOT" | "ONE_TOKEN";
  /** Those it speaks of. */
  readonly slots: readonly number[];
  readonly text: string;
}

export function vaultPolicy(slots: readonly Slot[]): VaultPolicy {
  const described = slots.map((slot) => ({ slot: slot.id, label: slot.label, words: slotWords(slot) }));
  return {
    opensWith: described.map(({ words }) => words).join("; "),
    slots: described,
    warnings: [...overlaps(slots), ...singleFactors(slots), ...wayBack(slots)],
  };
}

/** Who opens a slot, in words. */
export function slotWords({ holder, label }: Slot): string {
  const titles = leavesOf(holder).map(leafTitle);
  const named = label === "" ? "" : ` "${label}"`;
  switch (holder.kind) {
    case "one":
      return `${titles.join()}${named} alone`;
    case "all-of":
      return `${titles.join(" AND ")}${named}`;
    case "threshold":
      return `any ${holder.k} of (${titles.join(", ")})${named}`;
  }
}

function overlaps(slots: readonly Slot[]): PolicyWarning[] {
  const warnings: PolicyWarning[] = [];
  for (const [i, slot] of slots.entries()) {
    const pointless = slots.find((other, j) => covers(other, slot) && (j < i || !covers(slot, other)));
    if (pointless !== undefined) {
      warnings.push({
        code: "SLOT_POINTLESS",
        slots: [slot.id, pointless.id],
        text: `slot ${slot.id} adds nothing: whoever opens it also opens slot ${pointless.id} (${slotWords(pointless)})`,
      });
      continue;
    }
    const weaker = slots.filter((other) => other.id !== slot.id && touches(other, slot) && !covers(slot, other));
    for (const other of weaker) {
      warnings.push({
        code: "SLOT_WEAKENED",
        slots: [slot.id, other.id],
        text: `some of those who open slot ${slot.id} need nobody else: slot ${other.id} opens with ${slotWords(other)}`,
      });
    }
  }
  return warnings;
}

/** Whether every set of keys that opens `slot` opens `other` too. */
function covers(other: Slot, slot: Slot): boolean {
  if (other.id === slot.id) return false;
  const { shared, legs } = common(other, slot);
  const outside = legs - shared;
  return neededLegs(slot) - outside >= neededLegs(other);
}

/** Whether the keys of `slot` have a set among them that opens `other` with fewer. */
function touches(other: Slot, slot: Slot): boolean {
  return common(other, slot).shared >= neededLegs(other) && neededLegs(other) < neededLegs(slot);
}

function common(other: Slot, slot: Slot): { readonly shared: number; readonly legs: number } {
  const keys = new Set(leavesOf(other.holder).map(leafFingerprint));
  const legs = leavesOf(slot.holder).map(leafFingerprint);
  return { shared: legs.filter((key) => keys.has(key)).length, legs: legs.length };
}

/** The weakest slot is what the vault is worth, whatever the others ask for. */
function singleFactors(slots: readonly Slot[]): PolicyWarning[] {
  const several = slots.filter((slot) => neededLegs(slot) > 1);
  if (several.length === 0) return [];
  const names = several.map(({ id }) => id).join(", ");
  return slots
    .filter((slot) => neededLegs(slot) === 1)
    .map((slot) => ({
      code: "SINGLE_FACTOR",
      slots: [slot.id, ...several.map(({ id }) => id)],
      text: isRecovery(slot.holder)
        ? `the recovery key of slot ${slot.id} opens the vault alone, whatever slot ${names} asks for: keep it locked away`
        : `slot ${slot.id} (${slotWords(slot)}) opens the vault alone: what slot ${names} asks for protects no further`,
    }));
}

function wayBack(slots: readonly Slot[]): PolicyWarning[] {
  const [only, ...more] = slots;
  if (only === undefined) return [];
  const all = slots.map(({ id }) => id);
  if (more.length === 0) {
    const text = `slot ${only.id} is the only one: when what opens it is lost, so is the vault`;
    return [{ code: "ONE_SLOT", slots: all, text }];
  }
  const warnings: PolicyWarning[] = [];
  if (!slots.some(({ holder }) => isRecovery(holder))) {
    const text = "there is no recovery key: without one of these slots nothing opens the vault";
    warnings.push({ code: "NO_RECOVERY", slots: all, text });
  }
  const tokens = new Set(slots.map(indispensableToken));
  const [token] = tokens;
  if (tokens.size === 1 && token !== undefined) {
    const text = `every slot takes card ${token}: when it is lost, so is the vault`;
    warnings.push({ code: "ONE_TOKEN", slots: all, text });
  }
  return warnings;
}

/** The serial of a card without which the slot does not open, as far as the hints tell. */
function indispensableToken(slot: Slot): string | undefined {
  const serials = leavesOf(slot.holder).map(serialOf);
  const lost = (serial: string) => serials.filter((other) => other !== serial).length < neededLegs(slot);
  return serials.find((serial) => serial !== undefined && lost(serial));
}

function serialOf(leaf: Leaf): string | undefined {
  return "card" in leaf ? leaf.card.serial : undefined;
}
