import { closeEnrolments, provenSlot } from "../../services/vault/openers/proven-slot.ts";
import type { NewSlot } from "../../services/vault/vault-slots.ts";
import type { CommandContext } from "../context.ts";
import type { Enroller } from "./enrol-slots.ts";
import type { SlotWish } from "./slot-wish.ts";

/**
 * Enrols a slot, proves it and lets `use` write it; its keys are erased afterwards.
 * @param label `undefined`: named after what it is
 */
export async function addedSlot<T>(
  enroller: Enroller,
  wish: SlotWish,
  label: string | undefined,
  use: (slot: NewSlot) => Promise<T>,
): Promise<T> {
  const enrolled = await enroller.enrol(wish, label);
  try {
    return await use(await provenSlot(enrolled));
  } finally {
    await closeEnrolments([enrolled]);
  }
}

/** Where the new slot has a passphrase and `--new-passphrase` does not say it, `--passphrase` does: it opens nothing yet. */
export function newPassphraseOnly({ args }: Pick<CommandContext, "args">, wish: SlotWish): boolean {
  const leaves = wish.kind === "one" ? [wish.leaf] : wish.legs;
  return leaves.some(({ kind }) => kind === "passphrase") && args.text("new-passphrase") === undefined;
}
