import { keyName, keyNamed, type TokenKey } from "../../cards/smartcard-hsm/keys/token-key.ts";
import { HsmError } from "../../errors.ts";
import { answerChallenge, type CustodianKey, custodianKey } from "../../services/pka/custodian.ts";
import { decodeChallenge, encodeAnswer, type LoginChallenge } from "../../services/pka/login-files.ts";
import type { CommandContext } from "../context.ts";
import { keyFacts, keyTitle } from "../keys/key-facts.ts";
import { openByteOutput, readWhole } from "../keys/key-files.ts";
import { withKeysAndPin } from "../keys/key-session.ts";

/** Signs somebody's challenge, so that they may log in to the device it names; says which before the PIN is asked for. */
export async function run(context: CommandContext): Promise<undefined> {
  const { args, globals, output } = context;
  const target = openByteOutput(context, args.required("out"), false);
  const challenge = decodeChallenge(await readWhole(context, args.required("FILE")));
  await withKeysAndPin(context, async (session) => {
    const { card, token, name } = session;
    const keys = await card.listKeys();
    const wanted = args.text("key");
    const custodian = await keyFor(card, wanted === undefined ? keys : [keyNamed(keys, wanted, name)], challenge, name);
    const facts = {
      token,
      key: keyFacts(custodian.key),
      custodian: custodian.chr,
      device: challenge.device,
      made: challenge.made,
      out: target.path,
    };
    output.say(`hsmadm: this lets "${challenge.device}" be opened; the challenge says it was made ${challenge.made}`);
    if (globals.dryRun) {
      output.result({ ...facts, dryRun: true }, [
        `would sign with ${keyName(custodian.key)} on ${name}; nothing was sent`,
      ]);
      return;
    }
    await session.login();
    const metadata = await card.keyMetadata(custodian.key.ref);
    const answer = await answerChallenge(card, { ...custodian, key: { ...custodian.key, metadata } }, challenge);
    await target.write(encodeAnswer(answer));
    if (target.path === null) return;
    output.result(facts, [`${target.path}: answer of "${custodian.chr}", ${keyTitle(custodian.key)} on ${name}`]);
  });
  return undefined;
}

/** The key the challenge names; where it names none, the only one there is. */
async function keyFor(
  card: Parameters<typeof custodianKey>[0],
  keys: readonly TokenKey[],
  { custodian }: LoginChallenge,
  token: string,
): Promise<CustodianKey> {
  const found: CustodianKey[] = [];
  for (const key of keys) {
    const candidate = await custodianKey(card, key);
    if (candidate !== null && (custodian === null || candidate.chr === custodian)) found.push(candidate);
  }
  const [only, ...others] = found;
  if (only !== undefined && others.length === 0) return only;
  if (only === undefined) {
    const which = custodian === null ? "no EC key with a request" : `no key "${custodian}"`;
    throw new HsmError("PKA_KEY_MISSING", "usage", `${token} has ${which} to answer with`, {
      advice: "the challenge may be for another custodian; `hsmadm key list` shows the keys",
      token,
    });
  }
  throw new HsmError("KEY_AMBIGUOUS", "usage", `${token} has ${found.length} keys that may answer`, {
    advice: `say which with \`--key\`: ${found.map(({ key, chr }) => `${keyName(key)} is ${chr}`).join(", ")}`,
    token,
  });
}
