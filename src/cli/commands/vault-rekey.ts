import type { CommandContext } from "../context.ts";
import { vaultFacts } from "../vaults/vault-facts.ts";
import { withVault } from "../vaults/vault-session.ts";

/** A new seed: id, derived keys and file recipient are others from now on. What consumers have to do is printed. */
export async function run(context: CommandContext): Promise<undefined> {
  const { args, globals, output } = context;
  await withVault(context, { write: !globals.dryRun }, async ({ vault, save }) => {
    const { from, to, secrets } = vault.rekey();
    const dropped = args.flag("drop-retired") ? vault.dropRetired() : [];
    if (globals.dryRun) {
      output.result({ vault: vaultFacts(vault), from, to: null, secrets, dropped, dryRun: true }, [
        "would give the vault a new root; nothing was written",
      ]);
      return;
    }
    await save();
    output.result({ vault: vaultFacts(vault), from, to, secrets, dropped, dryRun: false }, [
      `${vault.path} is the vault ${to} from generation ${vault.generation} on; it was ${from}. Note the new id.`,
      "What was open to whoever could open it before has to be changed where it is used:",
      ...secrets.map((name) => `  secret ${name}: make a new one there, then \`hsmadm vault set\``),
      "  keys from `vault derive` are others now: zfs change-key, cryptsetup luksChangeKey, borg key change-passphrase",
      "  files from `vault seal`: seal them anew",
      dropped.length > 0
        ? "The roots of before are forgotten: files sealed to them do not open any more."
        : "Files sealed before open as long as the old root is kept; `--drop-retired` forgets it.",
    ]);
  });
}
