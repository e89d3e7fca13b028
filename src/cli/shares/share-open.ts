import { basename } from "node:path";
import { openShareFile, parseShareFile } from "../../crypto/shares/dkek-share-file.ts";
import { openSplitShareFile } from "../../crypto/shares/split-share.ts";
import type { NamedShare } from "../../services/shares/shares.ts";
import type { CommandContext } from "../context.ts";
import { usage } from "../failure.ts";
import { named, readShareContent } from "./share-files.ts";
import { type PartSource, shareParts } from "./share-parts.ts";
import { sharePasswords } from "./share-password.ts";
import { underBar } from "./share-progress.ts";

export interface OpenedShare extends NamedShare {
  readonly path: string;
  /** The file as it was. */
  readonly content: Uint8Array;
}

/**
 * Opens share files with what the command line names: `--password SOURCE`, once or for each, or `--share-parts`.
 * Everything that can be refused is refused before the first derivation, which takes seconds.
 */
export async function openShares(
  context: CommandContext,
  files: readonly string[],
  option = "password",
): Promise<OpenedShare[]> {
  const split = context.args.texts("share-parts").length > 0;
  if (split && context.args.texts(option).length > 0) {
    throw usage("OPTIONS_CONFLICT", `--${option} and --share-parts exclude each other`);
  }
  if (split && files.length > 1) {
    throw usage("OPTIONS_CONFLICT", "--share-parts opens one file", "import the shares one after the other");
  }
  const contents: Uint8Array[] = [];
  for (const path of files) {
    const content = await readShareContent(path);
    await named(path, () => parseShareFile(content));
    contents.push(content);
  }
  const parts = split ? await shareParts(context) : null;
  const passwords = split ? [] : await sharePasswords(context, option, files.length);
  const opened: OpenedShare[] = [];
  for (const [i, path] of files.entries()) {
    const content = contents[i] as Uint8Array;
    const name = basename(path);
    const password = passwords[i];
    const typed = await password?.value({ token: name, stake: "as often as you like, no token is asked" });
    const share = await named(path, () =>
      typed === undefined
        ? openWithParts(context, content, name, parts)
        : openWithPassword(context, content, name, typed),
    );
    opened.push({ path, name, content, share });
  }
  return opened;
}

async function openWithPassword(
  context: CommandContext,
  content: Uint8Array,
  name: string,
  password: Uint8Array,
): Promise<Uint8Array> {
  return underBar(context, `opening ${name}`, (options) => openShareFile(content, password, options));
}

async function openWithParts(
  context: CommandContext,
  content: Uint8Array,
  name: string,
  source: PartSource | null,
): Promise<Uint8Array> {
  if (source === null) throw usage("OPTION_MISSING", "--share-parts is missing");
  const { prime, parts } = await source(name);
  const { share, password } = await underBar(context, `opening ${name}`, (options) =>
    openSplitShareFile(content, prime, parts, options),
  );
  password.fill(0);
  return share;
}
