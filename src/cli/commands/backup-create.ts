import { writeBackupFile } from "../../crypto/backup/backup-file.ts";
import { exitCodes } from "../../errors.ts";
import { writeNewFile } from "../../services/atomic-file.ts";
import { previewBackup } from "../../services/backup/backup.ts";
import { requireFreePath } from "../../services/backup/backup-store.ts";
import { manifestFacts, manifestLines } from "../backups/backup-report.ts";
import { backupFacts, collectFrom } from "../backups/backup-token.ts";
import type { CommandContext } from "../context.ts";
import { type OpenDevice, withDevice } from "../devices/device-session.ts";
import { tokenFacts } from "../facts.ts";
import { pinWishes } from "../secrets/pin-wishes.ts";
import { SecretReader } from "../secrets/secrets.ts";
import { tokenName } from "../wording.ts";

/** Writes every key that may leave the token into one file, each wrapped under its DKEK. The token stays as it is. */
export async function run(context: CommandContext): Promise<number | undefined> {
  const { args, globals, output } = context;
  const file = args.required("FILE");
  await requireFreePath(file, globals.yes);
  if (globals.dryRun) {
    await withDevice(context, "shared", (device) => plan(context, device, file));
    return undefined;
  }
  const pin = await new SecretReader(context).open(pinWishes.pin);
  return withDevice(context, "exclusive", async (device) => {
    const manifest = await collectFrom(context, device, pin);
    await writeNewFile(file, writeBackupFile(manifest), { overwrite: globals.yes });
    const { keys, notExported } = manifest;
    const count = `${keys.length} ${keys.length === 1 ? "key" : "keys"}`;
    output.result({ dryRun: false, token: await tokenFacts(device), file, ...manifestFacts(manifest) }, [
      ...manifestLines(manifest, output.columns),
      "",
      `${file}: ${count} of ${await tokenName(device)}`,
      `- prove it before you need it: \`hsmadm backup verify ${file} --share FILE --share-password SOURCE\``,
    ]);
    return notExported.length > 0 ? exitCodes.partial : undefined;
  });
}

async function plan(context: CommandContext, device: OpenDevice, file: string): Promise<void> {
  const manifest = await previewBackup(device.card, backupFacts(context, device));
  context.output.result({ dryRun: true, token: await tokenFacts(device), file, ...manifestFacts(manifest) }, [
    `would back up ${await tokenName(device)} into ${file}; nothing was sent`,
    ...manifestLines(manifest, context.output.columns),
  ]);
}
