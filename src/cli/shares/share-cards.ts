import { basename, join } from "node:path";
import { asciiText, utf8Bytes } from "../../bytes/bytes.ts";
import type { PasswordSplit, SplitPart } from "../../crypto/shares/password-split.ts";
import { checkReadBack, splitCard } from "../../crypto/shares/split-card.ts";
import { HsmError } from "../../errors.ts";
import { writeNewFile } from "../../services/atomic-file.ts";
import type { CommandContext } from "../context.ts";
import { usage } from "../failure.ts";
import type { Terminal } from "../io.ts";
import { ensurePrivateFolder } from "../paths.ts";
import { terminalOf } from "../secrets/secrets.ts";
import { refuseExisting } from "./share-files.ts";

const readBackAttempts = 3;
/** Screen, what scrolled off it, and the cursor home. */
const clearScreen = "\u001B[2J\u001B[3J\u001B[H";

/** Where the custodians' cards go: files for a printer, or the screen, one custodian after the other. Never a stream. */
export type CardPlace =
  | { readonly kind: "folder"; readonly paths: readonly string[]; readonly folder: string }
  | { readonly kind: "terminal"; readonly terminal: Terminal };

/** @throws HsmError of kind `usage` where there is neither; `FILE_EXISTS` (conflict) */
export async function cardPlace(context: CommandContext, shareFile: string, total: number): Promise<CardPlace> {
  const folder = context.args.text("cards");
  if (folder !== undefined) {
    const name = basename(shareFile);
    const paths = Array.from({ length: total }, (_, i) => join(folder, `${name}.part-${i + 1}-of-${total}.txt`));
    await refuseExisting(paths, context.globals.yes);
    return { kind: "folder", folder, paths };
  }
  const terminal = terminalOf(context);
  if (terminal === null) {
    throw usage(
      "CARDS_NOWHERE",
      "the parts of the password are shown on a terminal only, and there is none",
      "give --cards FOLDER: a file for each custodian, to be printed and destroyed",
    );
  }
  return { kind: "terminal", terminal };
}

/** @returns the files, or `null` when the cards were shown and read back */
export async function handOutCards(
  context: CommandContext,
  place: CardPlace,
  split: PasswordSplit,
  shareFile: string,
): Promise<readonly string[] | null> {
  const name = basename(shareFile);
  if (place.kind === "folder") {
    await ensurePrivateFolder(place.folder);
    for (const [i, part] of split.parts.entries()) {
      await writeNewFile(place.paths[i] as string, utf8Bytes(splitCard(split, part, name)), {
        overwrite: context.globals.yes,
      });
    }
    return place.paths;
  }
  for (const part of split.parts) await showAndReadBack(context, place.terminal, split, part, name);
  return null;
}

/** What was not typed again from the paper is not known to be on it. */
async function showAndReadBack(
  { output }: CommandContext,
  terminal: Terminal,
  split: PasswordSplit,
  part: SplitPart,
  name: string,
): Promise<void> {
  const whose = `custodian ${part.id} of ${split.parts.length}`;
  await terminal.readLine(`Now ${whose}; nobody else looks at the screen. [Enter: show the card] `);
  for (let left = readBackAttempts; ; left--) {
    await terminal.readLine(`${splitCard(split, part, name)}\nWrite all of it down. [Enter: clear the screen] `);
    const typed = asciiText(await terminal.readSecret(`${clearScreen}Read back, ${whose}: share value (not shown): `));
    const check = await terminal.readLine("Check: ");
    try {
      checkReadBack(split, part, { value: typed ?? "", check });
      return;
    } catch (error) {
      if (!(error instanceof HsmError) || left <= 1) throw error;
      output.say(`hsmadm: ${error.message}; the card once more:`);
    }
  }
}
