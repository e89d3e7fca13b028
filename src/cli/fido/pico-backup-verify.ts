import { checkPicoFidoBackup, parsePicoFidoBackup } from "../../crypto/pico-fido/backup-file.ts";
import { hostKeyId } from "../../crypto/pico-fido/host-key.ts";
import { hostKeyMissing, keyOfBackup } from "../../services/pico-fido/backup.ts";
import { wipeKeys } from "../../services/pico-fido/lock.ts";
import { refuseTrace } from "../backups/backup-read.ts";
import type { CommandContext } from "../context.ts";
import { readWhole } from "../keys/key-files.ts";
import { givenHostKey } from "./host-key-given.ts";
import { ontoPaper, paperReady } from "./host-key-paper.ts";
import { hostKeyStore } from "./pico-session.ts";
import { picoWords } from "./pico-words.ts";

/** Proves a backup without any token: form, signature, that the host key opens it, that the device key is not zero. */
export async function run(context: CommandContext): Promise<undefined> {
  const { args, output } = context;
  refuseTrace(context);
  const path = args.required("FILE");
  const wantsWords = args.flag("show-words") || args.text("words-out") !== undefined;
  if (wantsWords) await paperReady(context);
  const file = await readWhole(context, path);
  // What is no backup at all is told before anybody types 24 words.
  parsePicoFidoBackup(file);
  const given = await givenHostKey(context, path);
  const known = await hostKeyStore(context).all();
  try {
    const record = keyOfBackup(file, known);
    const hostKey = given ?? record?.hostKey;
    if (hostKey === undefined) throw hostKeyMissing();
    checkPicoFidoBackup(file, hostKey);
    const id = hostKeyId(hostKey);
    const words = wantsWords ? await ontoPaper(context, hostKey, record?.device ?? path) : null;
    const firmware = record === undefined ? null : { version: record.firmware, family: record.family };
    output.result({ file: path, hostKey: id, hostKeyHere: record !== undefined, firmware, wordsOut: words }, [
      `${path}: good. Form and signature hold, host key ${id} opens it, the device key in it is not zero`,
      firmware === null
        ? "From which firmware it comes is not told by the file: it fits the same family only (5.8 to 5.12)."
        : `It comes from firmware ${firmware.version} and fits ${firmware.family}.`,
      picoWords.notHeld,
      picoWords.bothNeeded,
    ]);
  } finally {
    given?.fill(0);
    wipeKeys(known);
  }
}
