import { fileExists, fileTaken } from "../../services/atomic-file.ts";
import { saveBackup } from "../../services/pico-fido/backup.ts";
import { provenUnlocked, withKeys } from "../../services/pico-fido/lock.ts";
import { checkLockExists, checkPinIsSet } from "../../services/pico-fido/lock-errors.ts";
import type { CommandContext } from "../context.ts";
import { ontoPaper, paperReady } from "./host-key-paper.ts";
import { withPicoFido } from "./pico-session.ts";
import { picoWords } from "./pico-words.ts";

/** Writes the backup of an unlocked token. The token asks for no PIN for that. */
export async function run(context: CommandContext): Promise<undefined> {
  const { args, globals, output } = context;
  const file = args.required("FILE");
  const wantsWords = args.flag("show-words") || args.text("words-out") !== undefined;
  if (!globals.yes && (await fileExists(file))) throw fileTaken(file);
  if (wantsWords) await paperReady(context);
  await withPicoFido(context, async ({ open, token, store, document }) => {
    if (globals.dryRun) {
      checkLockExists(token);
      checkPinIsSet(token);
      await withKeys(store, (keys) => provenUnlocked(token, keys));
      output.result({ ...document, dryRun: true, file }, [`would write the backup of ${open.name} to ${file}`]);
      return;
    }
    let words: string | null = null;
    const handOver = async (key: Uint8Array) => {
      words = await ontoPaper(context, key, open.name);
    };
    const hostKey = await saveBackup(token, store, file, {
      overwrite: globals.yes,
      ...(wantsWords ? { handOver } : {}),
    });
    output.result({ ...document, dryRun: false, file, hostKey, wordsOut: words }, [
      `the backup of ${open.name} is in ${file}; it was read back and opens under host key ${hostKey}`,
      picoWords.notHeld,
      picoWords.bothNeeded,
      ...(wantsWords ? [] : ["`hsmadm fido backup verify FILE --show-words` shows them again."]),
      `It fits tokens with firmware ${token.firmware.family}.`,
    ]);
  });
}
