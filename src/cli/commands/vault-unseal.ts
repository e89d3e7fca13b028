import type { CommandContext } from "../context.ts";
import { openStream } from "../vaults/byte-stream.ts";
import { withVault } from "../vaults/vault-session.ts";

/** What was sealed to the vault. Each piece is authenticated before it is given; `--out` appears only when all was. */
export async function run(context: CommandContext): Promise<undefined> {
  const stream = openStream(context);
  await withVault(context, { write: false }, async ({ vault }) => {
    await stream.pour(await vault.unseal(stream.input()));
  });
}
