import type { CommandContext } from "../context.ts";
import { openedFacts, openedLines } from "../vaults/opened.ts";
import { withVault } from "../vaults/vault-session.ts";

/** Opens the vault and tells that it did, nothing of what is in it: MAC, payload, id and generation are checked. */
export async function run(context: CommandContext): Promise<undefined> {
  await withVault(context, { write: false }, async ({ vault }) => {
    context.output.result(openedFacts(vault), openedLines(vault));
  });
}
