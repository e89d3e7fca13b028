import type { CommandContext } from "../context.ts";
import { vaultFacts } from "../vaults/vault-facts.ts";
import { withVault } from "../vaults/vault-session.ts";

/** Forgets a secret. The backup beside the vault still has it until the next write. */
export async function run(context: CommandContext): Promise<undefined> {
  const { args, globals, output } = context;
  const name = args.required("NAME");
  await withVault(context, { write: !globals.dryRun }, async ({ vault, save }) => {
    vault.remove(name);
    if (globals.dryRun) {
      output.result({ vault: vaultFacts(vault), name, dryRun: true }, [`would forget ${name}; nothing was written`]);
      return;
    }
    await save();
    const kept = args.flag("no-backup") ? "" : `; ${vault.path}.bak still has it until the next write`;
    output.result({ vault: vaultFacts(vault), name, dryRun: false }, [`${name} is forgotten${kept}`]);
  });
}
