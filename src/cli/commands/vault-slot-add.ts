import { vaultPolicy } from "../../services/vault/policy.ts";
import type { CommandContext } from "../context.ts";
import { Enroller } from "../vaults/enrol-slots.ts";
import { addedSlot, newPassphraseOnly } from "../vaults/new-slot.ts";
import { parseSlotWish } from "../vaults/slot-wish.ts";
import { namedDevices } from "../vaults/vault-devices.ts";
import { slotFacts, slotName, vaultFacts } from "../vaults/vault-facts.ts";
import { policyLines } from "../vaults/vault-lines.ts";
import { withVault } from "../vaults/vault-session.ts";

/** One more way to open the vault: any opener adds it, the others need not be here. */
export async function run(context: CommandContext): Promise<undefined> {
  const { args, globals, output } = context;
  const wish = parseSlotWish(args.required("KIND"), namedDevices(context));
  const options = { write: !globals.dryRun, withoutPassphrase: newPassphraseOnly(context, wish) };
  await withVault(context, options, async (session) => {
    const { vault, save } = session;
    if (globals.dryRun) {
      output.result({ vault: vaultFacts(vault), slot: null, dryRun: true }, [
        "would add a slot; nothing was touched or written",
      ]);
      return;
    }
    const enroller = new Enroller(context, session.sources, vault.slots);
    const added = await addedSlot(enroller, wish, args.text("label"), async (slot) => {
      const id = vault.addSlot(slot);
      const recoveryOut = await enroller.recovery.handOver(vault.path);
      await save();
      return { id, recoveryOut };
    });
    const slot = vault.slots.find(({ id }) => id === added.id);
    const policy = vaultPolicy(vault.slots);
    for (const { text } of policy.warnings) output.warn(text);
    output.result(
      {
        vault: vaultFacts(vault),
        slot: slot === undefined ? null : slotFacts(slot),
        policy,
        recoveryOut: added.recoveryOut,
        dryRun: false,
      },
      [
        `slot ${slot === undefined ? added.id : slotName(slot)} opens ${vault.path} from generation ${vault.generation} on`,
        ...policyLines(vault.slots),
        ...(added.recoveryOut === null ? [] : [`Recovery key: ${added.recoveryOut}; keep it away from this computer`]),
      ],
    );
  });
}
