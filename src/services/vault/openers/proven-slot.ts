import type { LeafKey, SlotHolder } from "../../../crypto/vault/leaf.ts";
import { HsmError } from "../../../errors.ts";
import type { LeafRef } from "../key-source.ts";
import type { NewSlot } from "../vault-slots.ts";
import type { Enrolment } from "./enrolment.ts";

/** A slot whose keys were made ready: who holds it, and an enrolment for each of its leaves, in their order. */
export interface EnrolledSlot {
  readonly label: string;
  readonly holder: SlotHolder;
  readonly enrolments: readonly Enrolment[];
}

/**
 * The keys of a slot that was enrolled, by which it is proved before anything is written. Here a card's PIN is presented and
 * a FIDO2 device touched. The keys are usable until the sources of the enrolments are closed.
 * @throws HsmError `VAULT_SLOT_UNPROVEN` (check-failed); what the source of a key throws
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

export async function closeEnrolments(slots: readonly Pick<EnrolledSlot, "enrolments">[]): Promise<void> {
  for (const { enrolments } of slots) for (const { source } of enrolments) await source.close();
}
