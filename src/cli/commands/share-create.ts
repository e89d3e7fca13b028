import { newShare } from "../../crypto/shares/dkek-share-file.ts";
import { writeNewFile } from "../../services/atomic-file.ts";
import type { CommandContext } from "../context.ts";
import { shareFacts } from "../shares/share-facts.ts";
import { refuseExisting } from "../shares/share-files.ts";
import { readSealPlan, sealedLines, sealShare } from "../shares/share-seal.ts";

/** Makes a new DKEK share and puts it into a file that sc-hsm-tool opens too. No token is needed. */
export async function run(context: CommandContext): Promise<undefined> {
  const { args, globals, output } = context;
  const path = args.required("FILE");
  await refuseExisting([path], globals.yes);
  const plan = await readSealPlan(context, path, "password");
  const split = plan.kind === "split" ? plan.split : null;
  if (globals.dryRun) {
    output.result({ dryRun: true, file: path, split }, [`would make a new DKEK share in ${path}`]);
    return;
  }
  const share = newShare();
  const sealed = await sealShare(context, plan, share, path);
  await writeNewFile(path, sealed.file, { overwrite: globals.yes });
  const facts = shareFacts({ path, name: path, content: sealed.file, share });
  share.fill(0);
  output.result({ ...facts, split, cards: sealed.cards }, [
    `${path}: a new DKEK share, 64 bytes`,
    `KCV of a DKEK of this share alone: ${String(facts["kcvAlone"])}`,
    ...sealedLines(sealed),
    "- keep two copies of the file, and note the KCV once all shares are imported",
  ]);
}
