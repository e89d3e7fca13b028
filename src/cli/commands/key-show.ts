import { toHex } from "../../bytes/hex.ts";
import { algorithmName } from "../../cards/smartcard-hsm/keys/algorithms.ts";
import type { TokenKey } from "../../cards/smartcard-hsm/keys/token-key.ts";
import { publicKeyPem } from "../../crypto/keys/public-key-formats.ts";
import type { CommandContext } from "../context.ts";
import { keyFacts, kindWords, limitFacts } from "../keys/key-facts.ts";
import { withKeys } from "../keys/key-session.ts";
import { aligned } from "../wording.ts";

/** All that is known of one key. Needs no PIN. */
export async function run(context: CommandContext): Promise<undefined> {
  await withKeys(context, async ({ card, token }) => {
    // Not from memory: the use counter and what is wrong with it are what one looks for here.
    const key = await card.findKey(context.args.required("KEY"));
    const { publicKey, problems } = key;
    const pem = publicKey === null ? null : publicKeyPem(publicKey);
    context.output.result({ token, key: { ...keyFacts(key), ...limitFacts(key), publicKey: pem } }, [
      ...aligned(rows(key)),
      ...(problems.length === 0 ? [] : ["", ...problems.map((problem) => `- ${problem}`)]),
    ]);
  });
}

function rows(key: TokenKey): [string, string][] {
  const { ref, label, id, usage, certificate, metadata, publicKey } = key;
  const algorithms = metadata?.algorithms?.map(algorithmName).join(", ") ?? "all that its type can";
  return [
    ["Reference", String(ref)],
    ["Label", label],
    ["Id", toHex(id)],
    ["Type", kindWords(key)],
    ["Use", usage.join(", ")],
    ["Algorithms", algorithms],
    ["Uses left", metadata === null ? "not told" : String(metadata.usesLeft ?? "no limit")],
    ["Key domain", metadata?.domain === undefined || metadata.domain === null ? "not told" : String(metadata.domain)],
    ["Certificate", certificate ?? "none"],
    ["Public key", publicKey === null ? "not known" : "`hsmadm key public` shows it"],
  ];
}
