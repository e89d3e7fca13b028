import type { LeafKey } from "../../crypto/vault/leaf.ts";
import { HsmError } from "../../errors.ts";
import type { LeafRef } from "../../services/vault/key-source.ts";
import type { NewSlot } from "../../services/vault/vault-slots.ts";
import type { EnrolledSlot } from "./enrol-slots.ts";

/**
 * The keys of a slot that was enrolled, by which it is proved before anything is written. Here a card's PIN is presented and
 * a FIDO2 device touched.
 */
export async function provenSlot({ label, holder, enrolments }: EnrolledSlot): Promise<NewSlot> {
  const keys = new Map<number, LeafKey>();
  for (const [leg, { leaf, source }] of enrolments.entries()) {
    const ref: LeafRef = { slot: 0, leg, leaf };
    await source.match([ref]);
    const key = (await source.keys([ref])).get(ref);
    if (key === undefined) {
      throw new HsmError("VAULT_SLOT_UNPROVEN", "check-failed", `${source.title} did not give its key again`, {
        advice: "nothing was written; a slot is written only once it has opened",
      });
    }
    keys.set(leg, key);
  }
  return { label, holder, proof: (_leaf, leg) => keys.get(leg) };
}

export async function closeEnrolments(slots: readonly EnrolledSlot[]): Promise<void> {
  for (const { enrolments } of slots) for (const { source } of enrolments) await source.close();
}
