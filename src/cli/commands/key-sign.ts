import { createHash } from "node:crypto";
import { concat } from "../../bytes/bytes.ts";
import type { HashName } from "../../cards/smartcard-hsm/keys/algorithms.ts";
import { keyName } from "../../cards/smartcard-hsm/keys/token-key.ts";
import { findKey } from "../../services/keys/keys-find.ts";
import { chooseScheme } from "../../services/keys/keys-signature.ts";
import type { CommandContext } from "../context.ts";
import { hashOption, keyFacts, signatureScheme } from "../keys/key-facts.ts";
import { feedFile, inputPath, openByteOutput, readWhole } from "../keys/key-files.ts";
import { withKeysAndPin } from "../keys/key-session.ts";

/** Signs a file of any length: it is hashed here, unless the key may only sign what the token hashes. */
export async function run(context: CommandContext): Promise<undefined> {
  const { args, globals, output } = context;
  const hash = hashOption(context);
  const wanted = signatureScheme(context);
  const path = args.text("out");
  const target = path === undefined ? undefined : openByteOutput(context, path, false);
  const source = inputPath(context);
  const input = args.flag("digest")
    ? { digest: true, data: await readWhole(context, source) }
    : await message(context, source, hash);
  await withKeysAndPin(context, async (session) => {
    const { card, token, name, memory } = session;
    const key = await findKey(card, args.required("KEY"), memory);
    const scheme = chooseScheme(key, wanted);
    const facts = { token, key: keyFacts(key), scheme, hash, out: target?.path ?? null };
    if (globals.dryRun) {
      output.result({ ...facts, dryRun: true }, [
        `would sign with ${keyName(key)} on ${name} (${scheme}, ${hash}); nothing was sent`,
      ]);
      return;
    }
    await session.login();
    const signature = await card.sign(key, { scheme, hash, digest: input.digest }, input.data);
    await target?.write(signature);
    if (target?.path === null) return;
    const text = Buffer.from(signature).toString("base64");
    const lines = target === undefined ? [text] : [`${target.path}: signature of ${keyName(key)}, ${scheme}, ${hash}`];
    output.result({ ...facts, signature: text }, lines);
  });
}

/** A message this short can go to the token whole, where a key may be used only so. */
const shortMessage = 1000;

async function message(
  context: CommandContext,
  source: string,
  hash: HashName,
): Promise<{ readonly digest: boolean; readonly data: Uint8Array }> {
  const hasher = createHash(hash);
  let length = 0;
  const pieces: Uint8Array[] = [];
  await feedFile(context, source, (piece) => {
    hasher.update(piece);
    length += piece.length;
    if (length <= shortMessage) pieces.push(piece);
    else pieces.length = 0;
  });
  if (length <= shortMessage) return { digest: false, data: concat(...pieces) };
  return { digest: true, data: new Uint8Array(hasher.digest()) };
}
