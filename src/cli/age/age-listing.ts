import { keyNamed } from "../../cards/smartcard-hsm/keys/token-key.ts";
import { HsmError } from "../../errors.ts";
import type { CommandContext } from "../context.ts";
import { withDevice } from "../devices/device-session.ts";
import { type TokenFacts, tokenFacts } from "../facts.ts";
import { keyFacts, keyTitle } from "../keys/key-facts.ts";
import type { Document } from "../output.ts";
import { printable } from "../terminal/printable.ts";
import { tokenName, tokenTitle } from "../wording.ts";
import { type AgeKey, ageKeys, identityOf, recipientOf } from "./card-keys.ts";

/** The keys of a token that age can use, those that the command line names. */
export interface AgeListing {
  readonly token: TokenFacts;
  readonly title: string;
  readonly keys: readonly AgeKey[];
  readonly others: Awaited<ReturnType<typeof ageKeys>>["others"];
}

/** @throws HsmError `AGE_NO_KEY` (not-supported) when there is none; `KEY_NOT_FOUND`, `KEY_AMBIGUOUS` (usage) */
export async function listAgeKeys(context: CommandContext): Promise<AgeListing> {
  const named = context.args.text("KEY");
  return withDevice(context, "shared", async (device) => {
    const [token, title, name] = [await tokenFacts(device), await tokenTitle(device), await tokenName(device)];
    const all = await ageKeys(device.card, name);
    const wanted = named === undefined ? undefined : keyNamed(allKeys(all), named, name).ref;
    const isWanted = ({ key }: { readonly key: AgeKey["key"] }) => wanted === undefined || key.ref === wanted;
    const [keys, others] = [all.keys.filter(isWanted), all.others.filter(isWanted)];
    if (keys.length === 0) throw noKey(name, others);
    return { token, title, keys, others };
  });
}

function allKeys({ keys, others }: Awaited<ReturnType<typeof ageKeys>>): AgeKey["key"][] {
  return [...keys, ...others].map(({ key }) => key);
}

function noKey(token: string, others: AgeListing["others"]): HsmError {
  const why = others.map(({ key, why }) => `${keyTitle(key)}: ${why}`);
  return new HsmError("AGE_NO_KEY", "not-supported", [`${token} has no key that age can use`, ...why].join("; "), {
    advice: "`hsmadm key generate --type ec:p256 --label age` makes one",
    token,
  });
}

/** A key as the JSON documents of both commands tell it. */
export function ageKeyFacts(key: AgeKey): Document {
  return { key: keyFacts(key.key), type: typeOf(key), recipient: recipientOf(key), identity: identityOf(key) };
}

/** The stanza that a file gets for it. */
function typeOf({ leaf }: AgeKey): string {
  if (leaf.kind === "card-rsa") return "ssh-rsa";
  return leaf.curve === "secp256r1" ? "p256tag" : "hsmadm/ecdh";
}

export function otherFacts({ others }: AgeListing): Document[] {
  return others.map(({ key, why }) => ({ key: keyFacts(key), why }));
}

/** `# …`, a comment in files of recipients and of identities. */
export function comment({ title }: AgeListing, { key }: AgeKey): string {
  return `# ${printable(`${title}: ${keyTitle(key)}`)}`;
}

/** Keys that were left out are told beside the list: what is printed goes into a file. */
export function tellOthers({ output }: CommandContext, { others }: AgeListing): void {
  for (const { key, why } of others) output.note(`left out: ${keyTitle(key)}: ${why}`);
}
