import type { Slot } from "../../crypto/vault/leaf.ts";
import { vaultPolicy } from "../../services/vault/policy.ts";
import { slotNumbered } from "../../services/vault/vault-slots.ts";
import type { CommandContext } from "../context.ts";
import { slotId } from "../vaults/slot-id.ts";
import { slotFacts, vaultFacts } from "../vaults/vault-facts.ts";
import { policyLines } from "../vaults/vault-lines.ts";
import { withVault } from "../vaults/vault-session.ts";

/** One way less to open the vault, from the next generation on; with `--wipe` the key on its card is destroyed as well. */
export async function run(context: CommandContext): Promise<undefined> {
  const { args, globals, output } = context;
  const id = slotId(args.required("ID"));
  // Opened by another one: that proves that another one is left.
  await withVault(context, { write: !globals.dryRun, except: [id] }, async ({ vault, sources, save }) => {
    const slot = slotNumbered(vault.slots, id);
    vault.removeSlot(id, { acknowledge: args.flag("yes-lock-me-out") });
    const removed = slotFacts(slot);
    const wipe = args.flag("wipe")
      ? await (await import("../vaults/slot-wipe.ts")).slotWipe(context, slot, vault.slots, sources.tokens)
      : undefined;
    if (globals.dryRun) {
      output.result({ vault: vaultFacts(vault), removed, wiped: wipe?.facts() ?? [], dryRun: true }, [
        `would remove slot ${id}; nothing was written`,
        ...(wipe?.titles() ?? []).map((title) => `would destroy ${title}; nothing was sent`),
      ]);
      return;
    }
    await wipe?.prepare();
    await save();
    await wipe?.destroy();
    const wiped = wipe?.facts() ?? [];
    output.warn(oldCopies(slot, `${vault.path}.bak`, { wiped: wiped.length > 0, backup: !args.flag("no-backup") }));
    for (const note of wipe?.notes ?? []) output.note(note);
    output.result({ vault: vaultFacts(vault), removed, wiped, policy: vaultPolicy(vault.slots), dryRun: false }, [
      `slot ${id} opens ${vault.path} no more from generation ${vault.generation} on`,
      ...(wipe?.titles() ?? []).map((title) => `${title}: destroyed`),
      ...policyLines(vault.slots),
    ]);
  });
}

/** What the removal does not undo. */
function oldCopies(
  { id, holder }: Slot,
  bak: string,
  { wiped, backup }: { readonly wiped: boolean; readonly backup: boolean },
): string {
  const among = backup ? `, ${bak} among them` : "";
  const what =
    wiped && holder.kind !== "threshold"
      ? `copies of the file made before${among} open with a clone of the key, if there is one`
      : `copies of the file made before still open with slot ${id}${among}`;
  return `${what}; if it is in wrong hands: \`hsmadm vault rekey\`, and change what is kept in it`;
}
