import { readBackup, refuseTrace } from "../backups/backup-read.ts";
import { manifestFacts, manifestLines, originWords } from "../backups/backup-report.ts";
import type { CommandContext } from "../context.ts";

/** What is in a backup. It is not proved by that: `backup verify` does. */
export async function run(context: CommandContext): Promise<undefined> {
  refuseTrace(context);
  const { file, manifest } = await readBackup(context);
  context.output.result({ file, ...manifestFacts(manifest) }, [
    `${file}: made ${manifest.created} by ${manifest.createdBy} from ${originWords(manifest.device)}`,
    "",
    ...manifestLines(manifest, context.output.columns),
  ]);
}
