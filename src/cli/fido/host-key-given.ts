import { utf8Text } from "../../bytes/bytes.ts";
import { HsmError } from "../../errors.ts";
import type { CommandContext } from "../context.ts";
import { usage } from "../failure.ts";
import { readWhole } from "../keys/key-files.ts";
import { SecretReader } from "../secrets/secrets.ts";

/**
 * The host key that the command line gives, read and checked before a token is touched; the caller overwrites it.
 * @throws HsmError `OPTIONS_CONFLICT` (usage), `HOST_KEY_WORDS_INVALID`, `HOST_KEY_INVALID` (check-failed)
 */
export async function givenHostKey(context: CommandContext, subject: string): Promise<Uint8Array | undefined> {
  const { args } = context;
  const words = args.text("words");
  const pem = args.text("host-key");
  const list = args.text("word-list");
  if (words !== undefined && pem !== undefined) {
    throw usage("OPTIONS_CONFLICT", "--words and --host-key both give a host key", "give one of them");
  }
  if (list !== undefined && words === undefined) {
    throw usage("OPTIONS_CONFLICT", "--word-list is of use with --words only", "give --words SOURCE");
  }
  if (words === undefined && pem === undefined) return undefined;
  const reader = new SecretReader(context);
  const ask = { token: subject, stake: "it opens every credential of its token" };
  if (pem !== undefined) {
    const { hostKeyFromPem } = await import("../../crypto/pico-fido/host-key.ts");
    const check = (bytes: Uint8Array) => hostKeyFromPem(textOf(bytes, "the host key"));
    return (await reader.open({ option: "host-key", name: "host key", isNew: false, check })).value(ask);
  }
  const { hostKeyFromToolWords, hostKeyFromWords } = await import("../../crypto/pico-fido/key-words.ts");
  const listText = list === undefined ? undefined : textOf(await readWhole(context, list), "the word list");
  const check = (bytes: Uint8Array) => {
    const text = textOf(bytes, "what was given as words");
    return listText === undefined ? hostKeyFromWords(text) : hostKeyFromToolWords(text, listText);
  };
  return (await reader.open({ option: "words", name: "words of the host key", isNew: false, check })).value(ask);
}

function textOf(bytes: Uint8Array, what: string): string {
  const text = utf8Text(bytes);
  if (text === null) throw new HsmError("HOST_KEY_INVALID", "check-failed", `${what} is no text`);
  return text;
}
