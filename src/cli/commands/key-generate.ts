import { algorithmIds } from "../../cards/smartcard-hsm/keys/algorithms.ts";
import { checkNewKey, checkSharesComplete } from "../../services/keys/keys-new.ts";
import { keyTypeName, parseKeyType, patienceWords } from "../../services/keys/keys-type.ts";
import type { CommandContext } from "../context.ts";
import { keyFacts, keyTitle, limitFacts } from "../keys/key-facts.ts";
import { watched } from "../keys/key-patience.ts";
import { withKeysAndPin } from "../keys/key-session.ts";
import { algorithmsOption, idOption, keyRefOption, labelOption } from "../keys/key-wishes.ts";

const mostUses = 999_999_999;

/** Makes a key on the token: it was never anywhere else. */
export async function run(context: CommandContext): Promise<undefined> {
  const { args, globals, output } = context;
  const type = parseKeyType(args.required("type"));
  const wish = {
    label: labelOption(context),
    id: idOption(context),
    ref: keyRefOption(context),
    algorithms: algorithmsOption(context, type.kind),
    useCounter: args.integer("use-counter", 1, mostUses),
    domain: args.integer("domain", 0, 255),
  };
  await withKeysAndPin(context, async (session) => {
    const { card, token, name } = session;
    checkSharesComplete(await card.keyDomains(), wish.domain, name);
    checkNewKey(await card.listKeys(), wish, name, args.flag("allow-duplicate"));
    const title = keyTypeName(type);
    if (wish.algorithms?.includes(algorithmIds.wrap) === false) {
      output.warn("without `wrap` in --algorithms the key can never leave the token, not even as a backup");
    }
    if (globals.dryRun) {
      output.result({ dryRun: true, token, type: title, label: wish.label }, [
        `would generate ${title} "${wish.label}" on ${name}; nothing was sent`,
      ]);
      return;
    }
    await session.login();
    await session.forgetKeys();
    const key = await watched(context, `generating ${title}, ${patienceWords(type)}`, () =>
      type.kind === "aes" ? card.generateAesKey({ ...wish, bits: type.bits }) : card.generateKeyPair({ ...wish, type }),
    );
    output.result({ token, key: { ...keyFacts(key), ...limitFacts(key) } }, [`${keyTitle(key)} is on ${name}`]);
  });
}
