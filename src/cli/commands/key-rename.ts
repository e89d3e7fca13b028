import { keyName, keyNamed } from "../../cards/smartcard-hsm/keys/token-key.ts";
import { checkNewKey } from "../../services/keys/keys-new.ts";
import type { CommandContext } from "../context.ts";
import { usage } from "../failure.ts";
import { keyFacts } from "../keys/key-facts.ts";
import { withKeysAndPin } from "../keys/key-session.ts";

/** Gives a key another label. The key, its id and its certificate stay. */
export async function run(context: CommandContext): Promise<undefined> {
  const { args, globals, output } = context;
  const label = args.required("NAME");
  if (label === "") throw usage("ARGUMENT_MISSING", "the new label is empty");
  await withKeysAndPin(context, async (session) => {
    const { card, token, name } = session;
    const keys = await card.listKeys();
    const key = keyNamed(keys, args.required("KEY"), name);
    const others = keys.filter(({ ref }) => ref !== key.ref);
    checkNewKey(others, { label }, name, args.flag("allow-duplicate"));
    if (globals.dryRun) {
      output.result({ dryRun: true, token, key: keyFacts(key), label }, [
        `would call ${keyName(key)} "${label}"; nothing was sent`,
      ]);
      return;
    }
    await session.login();
    await session.forgetKeys();
    await card.renameKey(key.ref, label);
    output.result({ token, key: { ...keyFacts(key), label }, before: key.label }, [
      `${keyName(key)} on ${name} is now called "${label}"`,
    ]);
  });
}
