import { utf8Text } from "../../bytes/bytes.ts";
import { checkSecretName } from "../../services/vault/document/vault-document.ts";
import type { CommandContext } from "../context.ts";
import { newSecretValue } from "../vaults/new-secret.ts";
import { vaultFacts } from "../vaults/vault-facts.ts";
import { refuseUnnamed, withVault } from "../vaults/vault-session.ts";

/** Keeps what standard input gives, as it is, or what somebody types. */
export async function run(context: CommandContext): Promise<undefined> {
  const { args, globals, output } = context;
  const name = args.required("NAME");
  checkSecretName(name);
  await refuseUnnamed(context);
  const value = await newSecretValue(context, name);
  try {
    await withVault(context, { write: !globals.dryRun }, async ({ vault, save }) => {
      const before = vault.list().find((each) => each.name === name);
      vault.set(name, { value, type: utf8Text(value) === null ? "raw" : "text", note: args.text("note") });
      const after = vault.list().find((each) => each.name === name);
      const facts = {
        vault: vaultFacts(vault),
        name,
        bytes: value.length,
        revision: after?.revision ?? 1,
        replaced: before !== undefined,
      };
      if (globals.dryRun) {
        output.result({ ...facts, dryRun: true }, [`would keep ${value.length} bytes as ${name}; nothing was written`]);
        return;
      }
      await save();
      output.result({ ...facts, vault: vaultFacts(vault), dryRun: false }, [
        `${name}: ${value.length} bytes, revision ${facts.revision}; ${vault.path} is generation ${vault.generation}`,
      ]);
    });
  } finally {
    value.fill(0);
  }
}
