import type { CommandContext } from "../context.ts";
import { openStream } from "../vaults/byte-stream.ts";
import { withVault } from "../vaults/vault-session.ts";

/** An age file for the vault, of any size. The recipient is taken from the opened vault: a header alone could be anybody's. */
export async function run(context: CommandContext): Promise<undefined> {
  const stream = openStream(context);
  await withVault(context, { write: false }, async ({ vault }) => {
    await stream.pour(vault.seal(stream.input()));
  });
}
