import { toHex } from "../../bytes/hex.ts";
import { parseShareFile, shareFileBytes } from "../../crypto/shares/dkek-share-file.ts";
import type { CommandContext } from "../context.ts";
import { named, readShareContent, sha256 } from "../shares/share-files.ts";
import { aligned } from "../wording.ts";

/** What a share file tells without its password. */
export async function run(context: CommandContext): Promise<undefined> {
  const path = context.args.required("FILE");
  const content = await readShareContent(path);
  const { salt } = await named(path, () => parseShareFile(content));
  const form = content.length === shareFileBytes ? "binary" : "printed";
  const facts = { file: path, form, bytes: content.length, salt: toHex(salt), sha256: sha256(content) };
  context.output.result(facts, [
    ...aligned([
      ["File", path],
      ["Format", `DKEK share of sc-hsm-tool, ${form === "binary" ? "64 bytes" : "printed form (base64)"}`],
      ["Key", "MD5, 10,000,000 rounds, three blocks; AES-256-CBC"],
      ["Salt", facts.salt],
      ["SHA-256", facts.sha256],
    ]),
    "",
    "- whether the password is split among custodians is not in the file",
    "- `hsmadm share check` tells whether a password opens it",
  ]);
}
