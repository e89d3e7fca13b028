import { vaultPolicy } from "../../services/vault/policy.ts";
import type { CommandContext } from "../context.ts";
import { slotId } from "../vaults/slot-id.ts";
import { slotFacts, vaultFacts } from "../vaults/vault-facts.ts";
import { policyLines } from "../vaults/vault-lines.ts";
import { withVault } from "../vaults/vault-session.ts";

/** One way less to open the vault, from the next generation on. */
export async function run(context: CommandContext): Promise<undefined> {
  const { args, globals, output } = context;
  const id = slotId(args.required("ID"));
  // Opened by another one: that proves that another one is left.
  await withVault(context, { write: !globals.dryRun, except: [id] }, async ({ vault, save }) => {
    const slot = vault.slots.find((each) => each.id === id);
    vault.removeSlot(id, { acknowledge: args.flag("yes-lock-me-out") });
    const removed = slot === undefined ? null : slotFacts(slot);
    if (globals.dryRun) {
      output.result({ vault: vaultFacts(vault), removed, dryRun: true }, [
        `would remove slot ${id}; nothing was written`,
      ]);
      return;
    }
    await save();
    output.warn(
      `copies of the file made before still open with slot ${id}${args.flag("no-backup") ? "" : `, ${vault.path}.bak among them`}; if it is in wrong hands: \`hsmadm vault rekey\`, and change what is kept in it`,
    );
    output.result({ vault: vaultFacts(vault), removed, policy: vaultPolicy(vault.slots), dryRun: false }, [
      `slot ${id} opens ${vault.path} no more from generation ${vault.generation} on`,
      ...policyLines(vault.slots),
    ]);
  });
}
