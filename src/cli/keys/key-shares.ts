import { combineShares, type DkekKeys, deriveDkekKeys } from "../../crypto/shares/dkek.ts";
import type { CommandContext } from "../context.ts";
import { usage } from "../failure.ts";
import { openShares } from "../shares/share-open.ts";

/** `--share`, at least one. @throws HsmError of kind `usage` */
export function shareFiles({ args }: Pick<CommandContext, "args">): readonly string[] {
  const files = args.texts("share");
  if (files.length > 0) return files;
  throw usage("OPTION_MISSING", "--share is missing: a key enters a token under its DKEK", "give all of its shares");
}

/**
 * The keys of the DKEK of these shares: seconds of work for each, on another thread. The shares are wiped.
 * @throws as `openShares` and `combineShares`
 */
export async function openDkek(context: CommandContext, files: readonly string[]): Promise<DkekKeys> {
  const shares = (await openShares(context, files, "share-password")).map(({ share }) => share);
  try {
    const dkek = combineShares(shares);
    const keys = deriveDkekKeys(dkek);
    dkek.fill(0);
    return keys;
  } finally {
    for (const share of shares) share.fill(0);
  }
}
