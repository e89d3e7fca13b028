import type { CommandContext } from "../context.ts";
import { vaultFacts } from "../vaults/vault-facts.ts";
import { withVault } from "../vaults/vault-session.ts";
import { table } from "../wording.ts";

/** The names of the secrets, and no value. */
export async function run(context: CommandContext): Promise<undefined> {
  const { output } = context;
  await withVault(context, { write: false }, async ({ vault }) => {
    const secrets = vault.list().map((facts) => ({ ...facts, note: facts.note ?? null }));
    const rows = secrets.map(({ name, length, type, revision, updated, note }) => [
      name,
      `${length} bytes`,
      type,
      `${revision}`,
      updated,
      note ?? "",
    ]);
    output.result(
      { vault: vaultFacts(vault), secrets },
      rows.length === 0
        ? ["no secrets"]
        : table([["Name", "Size", "Type", "Revision", "Updated", "Note"], ...rows], output.columns),
    );
  });
}
