import { parsePicoFidoBackup } from "../../crypto/pico-fido/backup-file.ts";
import { checkLoad, hostKeyMissing, keyOfBackup, loadBackup } from "../../services/pico-fido/backup.ts";
import { wipeKeys } from "../../services/pico-fido/lock.ts";
import type { CommandContext } from "../context.ts";
import { readWhole } from "../keys/key-files.ts";
import { confirmDestruction } from "../terminal/confirm.ts";
import { givenHostKey } from "./host-key-given.ts";
import { hostKeyStore, withPicoFido } from "./pico-session.ts";
import { picoWords } from "./pico-words.ts";

/** Loads a backup into another token, whose own credentials are lost. Proved on this computer before anything is sent. */
export async function run(context: CommandContext): Promise<undefined> {
  const { args, globals, output } = context;
  const path = args.required("FILE");
  const file = await readWhole(context, path);
  parsePicoFidoBackup(file);
  const given = await givenHostKey(context, path);
  const known = await hostKeyStore(context).all();
  try {
    const hostKey = given ?? keyOfBackup(file, known)?.hostKey;
    if (hostKey === undefined) throw hostKeyMissing();
    await withPicoFido(context, async ({ open, token, store, facts, document }) => {
      const request = { file, hostKey, acceptKeyChange: args.flag("accept-key-change") };
      if (globals.dryRun) {
        await checkLoad(token, store, request);
        output.result({ ...document, dryRun: true, file: path }, [
          `would load ${path} into ${open.name}, whose own credentials would be lost; nothing was changed`,
        ]);
        return;
      }
      const losses = [
        `every credential of ${open.name}, and the slot it has in any vault`,
        "(the backup brings those of the token it was made on, its firmware has to be of the same family)",
      ];
      const confirm = () =>
        confirmDestruction(context, { losses, serial: open.device, exact: globals.device === open.device });
      const id = await loadBackup(token, store, { ...request, facts, confirm });
      output.result({ ...document, dryRun: false, file: path, hostKey: id, unlocked: true }, [
        `${open.name} has the device key of ${path}; it was read back and is unlocked with host key ${id}`,
        picoWords.notHeld,
        picoWords.tied,
      ]);
    });
  } finally {
    given?.fill(0);
    wipeKeys(known);
  }
}
