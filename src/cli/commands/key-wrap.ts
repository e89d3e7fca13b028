import { keyName } from "../../cards/smartcard-hsm/keys/token-key.ts";
import { findKey } from "../../services/keys/keys-find.ts";
import { wrapToFile } from "../../services/keys/keys-wrapped.ts";
import type { CommandContext } from "../context.ts";
import { usage } from "../failure.ts";
import { keyFacts } from "../keys/key-facts.ts";
import { openByteOutput } from "../keys/key-files.ts";
import { withKeysAndPin } from "../keys/key-session.ts";

/** Writes a key, encrypted under the DKEK, with its description and certificate. */
export async function run(context: CommandContext): Promise<undefined> {
  const { args, globals, output } = context;
  const path = args.text("out");
  if (path === undefined) throw usage("OPTION_MISSING", "--out is missing", "give --out FILE for the wrapped key");
  const target = openByteOutput(context, path, true);
  await withKeysAndPin(context, async (session) => {
    const { card, token, name, memory } = session;
    const key = await findKey(card, args.required("KEY"), memory);
    const facts = { token, key: keyFacts(key), out: target.path };
    if (globals.dryRun) {
      output.result({ ...facts, dryRun: true }, [
        `would wrap ${keyName(key)} of ${name} into ${path}; nothing was sent`,
      ]);
      return;
    }
    await session.login();
    const { content, kcv } = await wrapToFile(card, key, name);
    await target.write(content);
    if (target.path === null) return;
    output.result({ ...facts, kcv }, [`${path}: ${keyName(key)} of ${name}, under the DKEK with check value ${kcv}`]);
  });
}
