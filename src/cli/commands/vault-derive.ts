import type { CommandContext } from "../context.ts";
import { openSecret } from "../vaults/secret-output.ts";
import { vaultFacts } from "../vaults/vault-facts.ts";
import { withVault } from "../vaults/vault-session.ts";

/** 32 bytes for a consumer outside, from the vault's seed. Nothing is stored. */
export async function run(context: CommandContext): Promise<undefined> {
  const { args, output } = context;
  const target = openSecret(context, ["raw", "hex", "base64"]);
  const [purpose, use] = [args.required("PURPOSE"), args.required("CONTEXT")];
  const { key, facts } = await withVault(context, { write: false }, async ({ vault }) => ({
    key: vault.derive(purpose, use),
    facts: vaultFacts(vault),
  }));
  try {
    await target.write(key, false);
    if (target.path === null) return;
    output.result({ vault: facts, purpose, context: use, out: target.path, bytes: key.length }, [
      `${target.path}: ${key.length} bytes, secret`,
    ]);
  } finally {
    key.fill(0);
  }
}
