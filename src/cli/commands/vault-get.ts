import type { CommandContext } from "../context.ts";
import { openSecret } from "../vaults/secret-output.ts";
import { vaultFacts } from "../vaults/vault-facts.ts";
import { withVault } from "../vaults/vault-session.ts";

/** A secret, after the whole check: MAC, payload, id and generation. */
export async function run(context: CommandContext): Promise<undefined> {
  const { args, output } = context;
  const target = openSecret(context, ["raw", "hex", "base64", "text"]);
  const name = args.required("NAME");
  const { value, type, facts } = await withVault(context, { write: false }, async ({ vault }) => ({
    ...vault.get(name),
    facts: vaultFacts(vault),
  }));
  try {
    await target.write(value, type === "text");
    if (target.path === null) return;
    const bytes = value.length;
    output.result({ vault: facts, name, out: target.path, bytes }, [`${target.path}: ${bytes} bytes, secret`]);
  } finally {
    value.fill(0);
  }
}
