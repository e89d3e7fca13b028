import { readBackup } from "../backups/backup-read.ts";
import { restoreOnto } from "../backups/backup-token.ts";
import type { CommandContext } from "../context.ts";
import { withDevice } from "../devices/device-session.ts";
import { pinWishes } from "../secrets/pin-wishes.ts";
import { SecretReader } from "../secrets/secrets.ts";

/** Brings the keys of a backup onto a token of the same DKEK. Broken off, it goes on when it is run again. */
export async function run(context: CommandContext): Promise<number | undefined> {
  const { file, manifest } = await readBackup(context);
  const { dryRun } = context.globals;
  const pin = dryRun ? undefined : await new SecretReader(context).open(pinWishes.pin);
  return withDevice(context, dryRun ? "shared" : "exclusive", (device) =>
    restoreOnto(context, device, manifest, pin, { file, created: manifest.created, from: manifest.device }),
  );
}
