import { exitCodes } from "../../errors.ts";
import { previewBackup } from "../../services/backup/backup.ts";
import { gapLines } from "../backups/backup-report.ts";
import { backupFacts, collectFrom, restoreOnto } from "../backups/backup-token.ts";
import type { CommandContext } from "../context.ts";
import { inTurn } from "../devices/device-session.ts";
import { usage } from "../failure.ts";
import { pinWishes } from "../secrets/pin-wishes.ts";
import { type Secret, SecretReader } from "../secrets/secrets.ts";

/** Copies the keys of one token onto another of the same DKEK, without a file between them. */
export async function run(context: CommandContext): Promise<number | undefined> {
  const { args, output, globals } = context;
  const [from, to] = [args.required("FROM"), args.required("TO")];
  if (args.texts("device").length > 0) {
    throw usage("OPTIONS_CONFLICT", "`backup clone` names its two tokens by FROM and TO, not by --device");
  }
  if (from === to) throw usage("DEVICE_TWICE", `FROM and TO are both ${from}`, "name two tokens");
  const pins = globals.dryRun ? undefined : await readPins(context);
  return inTurn(context, async (open) => {
    const { manifest, identity } = await open(from, pins === undefined ? "shared" : "exclusive", async (device) => ({
      manifest:
        pins === undefined
          ? await previewBackup(device.card, backupFacts(context, device))
          : await collectFrom(context, device, pins.from),
      identity: await device.card.identity(),
    }));
    const exit = await open(to, pins === undefined ? "shared" : "exclusive", async (device) => {
      if (identity.key !== "" && (await device.card.identity()).key === identity.key) {
        throw usage("DEVICE_TWICE", `${from} and ${to} are the same token, ${identity.serial}`, "name two tokens");
      }
      const facts = { from: manifest.device, notExported: manifest.notExported };
      return restoreOnto(context, device, manifest, pins?.to, facts);
    });
    for (const line of gapLines(manifest)) output.warn(line);
    if (pins === undefined) return undefined;
    return exit ?? (manifest.notExported.length > 0 ? exitCodes.partial : undefined);
  });
}

/** `--pin` is that of both, unless `--to-pin` is given. */
async function readPins(context: CommandContext): Promise<{ from: Secret; to: Secret }> {
  const secrets = new SecretReader(context);
  const from = await secrets.open(pinWishes.pin);
  const to = await secrets.openIfGiven({ ...pinWishes.pin, option: "to-pin", name: "user PIN of TO" });
  return { from, to: to ?? from };
}
