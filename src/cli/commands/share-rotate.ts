import { writeNewFile } from "../../services/atomic-file.ts";
import type { CommandContext } from "../context.ts";
import { shareFacts } from "../shares/share-facts.ts";
import { refuseExisting } from "../shares/share-files.ts";
import { openShares } from "../shares/share-open.ts";
import { readSealPlan, sealedLines, sealShare } from "../shares/share-seal.ts";

/** Gives a share another password or other custodians. The share, and so the DKEK and every backup, stays as it is. */
export async function run(context: CommandContext): Promise<undefined> {
  const { args, globals, output } = context;
  const path = args.required("FILE");
  const out = args.text("out") ?? path;
  await refuseExisting([out], globals.yes);
  const plan = await readSealPlan(context, out, "new-password");
  const split = plan.kind === "split" ? plan.split : null;
  const [opened] = await openShares(context, [path]);
  if (opened === undefined) return;
  if (globals.dryRun) {
    opened.share.fill(0);
    output.result({ dryRun: true, file: path, out, split }, [`would seal the share of ${path} anew, in ${out}`]);
    return;
  }
  const sealed = await sealShare(context, plan, opened.share, out);
  await writeNewFile(out, sealed.file, { overwrite: globals.yes });
  const facts = shareFacts({ ...opened, path: out, content: sealed.file });
  opened.share.fill(0);
  output.result({ ...facts, from: path, split, cards: sealed.cards }, [
    `${out}: the same DKEK share, sealed anew`,
    `KCV of a DKEK of this share alone: ${String(facts["kcvAlone"])}`,
    ...sealedLines(sealed),
    "- destroy every copy of the old file: with the old password or the old parts it still opens",
  ]);
}
