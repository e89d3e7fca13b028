import type { CommandContext } from "../context.ts";
import { usage } from "../failure.ts";
import { type ByteStream, openStream } from "../vaults/byte-stream.ts";
import { withVault } from "../vaults/vault-session.ts";

/** Options that say how the vault is to be opened. */
const openers = ["pin", "fido-pin", "passphrase", "recovery", "expect-id", "allow-rollback"] as const;

/**
 * An age file for the vault, of any size. The recipient is taken from the opened vault, as a header alone could be
 * anybody's; or it was noted before, then nothing has to be opened.
 */
export async function run(context: CommandContext): Promise<undefined> {
  const recipient = context.args.text("to");
  const stream = openStream(context);
  if (recipient !== undefined) return sealUnopened(context, recipient, stream);
  await withVault(context, { write: false }, async ({ vault }) => {
    await stream.pour(vault.seal(stream.input()));
  });
}

async function sealUnopened({ args }: CommandContext, recipient: string, stream: ByteStream): Promise<undefined> {
  const opening = openers.find((name) => args.texts(name).length > 0);
  if (opening !== undefined) {
    throw usage(
      "OPTIONS_CONFLICT",
      `--to and --${opening} contradict each other: with --to the vault is not opened`,
      "give one of them",
    );
  }
  const { sealPinned } = await import("../../services/vault/seal-pinned.ts");
  await stream.pour(await sealPinned(args.required("FILE"), recipient, stream.input()));
}
