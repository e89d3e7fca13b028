import { exitCodes } from "../../errors.ts";
import { checkNewKey, checkSharesComplete } from "../../services/keys/keys-new.ts";
import { checkDkekOf, readWrappedKey, unwrapFromFile } from "../../services/keys/keys-wrapped.ts";
import type { CommandContext } from "../context.ts";
import { keyFacts, keyTitle, kindWords } from "../keys/key-facts.ts";
import { readWhole } from "../keys/key-files.ts";
import { withKeysAndPin } from "../keys/key-session.ts";
import { keyRefOption } from "../keys/key-wishes.ts";

/** Puts a wrapped key on the token, with what stands beside it in the file. */
export async function run(context: CommandContext): Promise<number | undefined> {
  const { args, globals, output } = context;
  const wish = { ref: keyRefOption(context), label: args.text("label") };
  const path = args.required("FILE");
  const wrapped = readWrappedKey(await readWhole(context, path));
  const { told, kcv } = wrapped;
  const label = wish.label ?? (told.label === "" ? undefined : told.label);
  const id = told.id.length === 0 ? undefined : told.id;
  return withKeysAndPin(context, async (session) => {
    const { card, token, name } = session;
    const domains = await card.keyDomains();
    if (domains.length === 1) checkSharesComplete(domains, undefined, name);
    const known = checkDkekOf(domains, kcv, name, { loggedIn: false });
    const wanted = { ref: wish.ref, label, id, publicKey: told.publicKey };
    checkNewKey(await card.listKeys(), wanted, name, args.flag("allow-duplicate"));
    if (globals.dryRun) {
      const checked = known === true ? "its DKEK is the token's" : "the token tells its DKEK after a login only";
      const place = wish.ref ?? (await card.freeKeyReference());
      output.result(
        { dryRun: true, token, kind: told.kind, label: label ?? null, ref: place, kcv, dkekMatches: known },
        [`would put ${kindWords(told)} "${label ?? ""}" on ${name} as key ${place}; ${checked}; nothing was sent`],
      );
      return undefined;
    }
    await session.login();
    // Some tokens tell their check value to those who are logged in only.
    if (known === null) checkDkekOf(await card.keyDomains(), kcv, name, { loggedIn: true });
    await session.forgetKeys();
    const { ref, described } = await unwrapFromFile(card, wrapped, wish, name);
    const key = await card.readKey(ref);
    output.result({ token, key: keyFacts(key), described, kcv }, [`${keyTitle(key)} is on ${name}`]);
    if (described) return undefined;
    output.warn(`key ${ref} has no description: \`hsmadm key rename ref:${ref} NAME\` writes one`);
    return exitCodes.partial;
  });
}
