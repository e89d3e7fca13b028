import { toHex } from "../../bytes/hex.ts";
import type { CommandContext } from "../context.ts";
import { keyFacts, kindWords } from "../keys/key-facts.ts";
import { withKeys } from "../keys/key-session.ts";
import { table } from "../wording.ts";

/** The keys on the token. Needs no PIN. */
export async function run(context: CommandContext): Promise<undefined> {
  await withKeys(context, async ({ card, token, name }) => {
    const keys = await card.listKeys();
    const rows = keys.map((key) => [
      String(key.ref),
      key.label,
      toHex(key.id),
      kindWords(key),
      key.usage.join(" "),
      key.certificate ?? "",
    ]);
    const lines =
      rows.length === 0
        ? [`no keys on ${name}`]
        : table([["Ref", "Label", "Id", "Type", "Use", "Certificate"], ...rows], context.output.columns);
    context.output.result({ token, keys: keys.map(keyFacts) }, lines);
    for (const key of keys) for (const problem of key.problems) context.output.note(`key ${key.ref}: ${problem}`);
  });
}
