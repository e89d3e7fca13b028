import type { CommandContext } from "../context.ts";
import { keyFacts, keyTitle } from "../keys/key-facts.ts";
import { withKeysAndPin } from "../keys/key-session.ts";
import { confirmDestruction } from "../terminal/confirm.ts";
import { refuseLastOpener } from "../vaults/vault-guarded.ts";
import { tokenTitle } from "../wording.ts";

/** Destroys a key with its description and certificate. */
export async function run(context: CommandContext): Promise<undefined> {
  const { args, globals, output } = context;
  await withKeysAndPin(context, async (session) => {
    const { card, device, token, name } = session;
    // Not from memory: a second key of this label, made elsewhere, must be told of.
    const key = await card.findKey(args.required("KEY"));
    const vaults = await refuseLastOpener(context, card, `${keyTitle(key)} on ${name}`, [key]);
    if (globals.dryRun) {
      output.result({ dryRun: true, token, key: keyFacts(key) }, [
        `would destroy ${keyTitle(key)} on ${name}; nothing was sent`,
      ]);
      return;
    }
    const beside = key.certificate === null ? "" : " and the certificate beside it";
    await confirmDestruction(context, {
      losses: [`${keyTitle(key)}${beside}, on ${await tokenTitle(device)}`, ...vaults],
      serial: token.serial ?? token.where,
      exact: device.exact,
    });
    await session.login();
    await session.forgetKeys();
    await card.deleteKey(key.ref);
    output.result({ token, key: keyFacts(key), deleted: true }, [`${keyTitle(key)} on ${name} is destroyed`]);
  });
}
