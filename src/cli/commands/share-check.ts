import { toHex } from "../../bytes/hex.ts";
import { checkKeyCheckValue, combineShares, keyCheckValue } from "../../crypto/shares/dkek.ts";
import type { CommandContext } from "../context.ts";
import { expectedKcv, shareFacts } from "../shares/share-facts.ts";
import { openShares } from "../shares/share-open.ts";

/** Whether passwords or custodians open their share files, and which KCV the DKEK of these shares has. No token is asked. */
export async function run(context: CommandContext): Promise<undefined> {
  const { args, output } = context;
  const expected = expectedKcv(args.text("expect-kcv"));
  const opened = await openShares(context, args.texts("FILE"));
  const dkek = combineShares(opened.map(({ share }) => share));
  const kcv = keyCheckValue(dkek);
  const files = opened.map(shareFacts);
  for (const secret of [dkek, ...opened.map(({ share }) => share)]) secret.fill(0);
  if (expected !== undefined) checkKeyCheckValue(kcv, expected);
  output.result({ files, kcv: toHex(kcv), kcvMatches: expected === undefined ? null : true }, [
    ...opened.map(({ path }) => `${path}: opens`),
    `KCV of a DKEK of ${files.length === 1 ? "this share alone" : `these ${files.length} shares`}: ${toHex(kcv)}${expected === undefined ? "" : ", as expected"}`,
    "",
    "- the file has no MAC: damage in its first half changes the share, and only the KCV tells",
  ]);
}
