import { keyName } from "../../cards/smartcard-hsm/keys/token-key.ts";
import { findKey } from "../../services/keys/keys-find.ts";
import type { CommandContext } from "../context.ts";
import { keyFacts } from "../keys/key-facts.ts";
import { inputPath, openSecretOutput, readWhole } from "../keys/key-files.ts";
import { withKeysAndPin } from "../keys/key-session.ts";

/** AES-CMAC. Some use it as a key, so it is treated as a secret. */
export async function run(context: CommandContext): Promise<undefined> {
  const { args, globals, output } = context;
  const target = openSecretOutput(context);
  const message = await readWhole(context, inputPath(context));
  await withKeysAndPin(context, async (session) => {
    const { card, token, name, memory } = session;
    const key = await findKey(card, args.required("KEY"), memory);
    const facts = { token, key: keyFacts(key), out: target.path };
    if (globals.dryRun) {
      output.result({ ...facts, dryRun: true }, [
        `would compute a CMAC with ${keyName(key)} on ${name}; nothing was sent`,
      ]);
      return;
    }
    await session.login();
    const mac = await card.aesCmac(key, message);
    await target.write(mac);
    if (target.path !== null)
      output.result({ ...facts, bytes: mac.length }, [`${target.path}: CMAC, ${mac.length} bytes`]);
  });
}
