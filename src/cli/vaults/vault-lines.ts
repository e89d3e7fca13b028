import type { Slot } from "../../crypto/vault/leaf.ts";
import { vaultPolicy } from "../../services/vault/policy.ts";

/** Who opens the vault, in words. */
export function policyLines(slots: readonly Slot[]): string[] {
  const { slots: described } = vaultPolicy(slots);
  return ["Opens with any one of:", ...described.map(({ slot, words }) => `  slot ${slot}: ${words}`)];
}
