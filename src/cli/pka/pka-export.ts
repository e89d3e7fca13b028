import { keyName } from "../../cards/smartcard-hsm/keys/token-key.ts";
import { findKey } from "../../services/keys/keys-find.ts";
import { custodianCredentials } from "../../services/pka/custodian.ts";
import { encodeCustodianFile } from "../../services/pka/custodian-file.ts";
import type { CommandContext } from "../context.ts";
import { keyFacts } from "../keys/key-facts.ts";
import { openByteOutput } from "../keys/key-files.ts";
import { withKeys } from "../keys/key-session.ts";

/** Writes what a token wants to know of a custodian's key. Needs no PIN. */
export async function run(context: CommandContext): Promise<undefined> {
  const { args, globals, output } = context;
  const target = openByteOutput(context, args.required("out"), false);
  await withKeys(context, async ({ card, token, name, memory }) => {
    const key = await findKey(card, args.required("KEY"), memory);
    const credentials = await custodianCredentials(card, key, name);
    const { chr } = credentials.request.request;
    const facts = { token, key: keyFacts(key), chr, out: target.path };
    if (globals.dryRun) {
      output.result({ ...facts, dryRun: true }, [`would export ${keyName(key)} of ${name} as "${chr}"`]);
      return;
    }
    await target.write(encodeCustodianFile(credentials));
    if (target.path === null) return;
    output.result(facts, [`${target.path}: ${keyName(key)} of ${name}, to be registered as "${chr}"`]);
  });
  return undefined;
}
