import { toHex } from "../../bytes/hex.ts";
import type { BackupManifest } from "../../crypto/backup/backup-manifest.ts";
import { type BackupVerdict, verifyBackup } from "../../crypto/backup/backup-verify.ts";
import { combineShares, type DkekKeys, deriveDkekKeys, xorShares } from "../../crypto/shares/dkek.ts";
import { exitCodes } from "../../errors.ts";
import { readBackupBytes } from "../../services/backup/backup-store.ts";
import { refuseTrace } from "../backups/backup-read.ts";
import { checkFacts, originWords, verdictLines } from "../backups/backup-report.ts";
import type { CommandContext } from "../context.ts";
import { openShares } from "../shares/share-open.ts";

/** Proves a backup with the DKEK shares alone: no token, no reader, and nothing that would look for one. */
export async function run(context: CommandContext): Promise<number | undefined> {
  const { args, output } = context;
  refuseTrace(context);
  const file = args.required("FILE");
  const bytes = await readBackupBytes(file);
  // What is damaged is told before anybody waits for passwords.
  const first = verifyBackup(bytes, []);
  const files = args.texts("share");
  const { manifest } = first;
  const verdict =
    files.length === 0 || first.outcome === "failed" || manifest === null
      ? first
      : verifyBackup(bytes, await dkeksOf(context, files, manifest));
  return tell(context, file, verdict, output.columns);
}

function tell(context: CommandContext, file: string, verdict: BackupVerdict, columns: number | undefined): number {
  const { manifest, outcome, checks } = verdict;
  const origin = manifest === null ? [] : [`${file}: keys of ${originWords(manifest.device)}`, ""];
  context.output.result(
    {
      file,
      outcome,
      created: manifest?.created ?? null,
      device: manifest?.device ?? null,
      keys: manifest?.keys.length ?? null,
      checks: checks.map(checkFacts),
    },
    [...origin, ...verdictLines(verdict, columns)],
  );
  if (outcome === "verified") return 0;
  return outcome === "failed" ? exitCodes["check-failed"] : exitCodes.partial;
}

/** So many shares are tried in every combination; no set of custodians is larger. */
const mostCombined = 10;

/**
 * The DKEKs of the shares. A token with key domains has one for each, so that some shares may be of the one and some of
 * the other: every combination that gives a KCV of the backup is taken, and else that of all together.
 */
async function dkeksOf(
  context: CommandContext,
  files: readonly string[],
  manifest: BackupManifest,
): Promise<DkekKeys[]> {
  const shares = (await openShares(context, files, "share-password")).map(({ share }) => share);
  const whole = combineShares(shares);
  const wanted = new Set(manifest.keys.map(({ kcv }) => toHex(kcv)));
  const all = deriveDkekKeys(whole);
  const found = new Map([[toHex(all.kcv), all]]);
  const sets = shares.length > mostCombined ? 0 : 2 ** shares.length;
  for (let set = 1; set < sets; set++) {
    const dkek = xorShares(shares.filter((_, i) => (set >> i) % 2 === 1));
    const keys = deriveDkekKeys(dkek);
    dkek.fill(0);
    if (wanted.has(toHex(keys.kcv))) found.set(toHex(keys.kcv), keys);
  }
  for (const secret of [whole, ...shares]) secret.fill(0);
  const fitting = [...found.values()].filter(({ kcv }) => wanted.has(toHex(kcv)));
  return fitting.length > 0 ? fitting : [all];
}
