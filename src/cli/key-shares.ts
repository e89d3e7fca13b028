import { combineShares, type DkekKeys, deriveDkekKeys } from "../crypto/dkek.ts";
import { openShareFile, parseShareFile } from "../crypto/dkek-share-file.ts";
import type { CommandContext } from "./context.ts";
import { usage } from "./failure.ts";
import { interrupted } from "./interruption.ts";
import { readWhole } from "./key-files.ts";
import type { Secret, SecretReader } from "./secrets.ts";

export interface ShareToOpen {
  readonly path: string;
  readonly content: Uint8Array;
  readonly password: Secret;
}

/**
 * `--share FILE --share-password SOURCE`, in pairs; a share without a password is asked for.
 * @throws HsmError of kind `usage`, or `SHARE_FILE_INVALID` (check-failed), before anything slow is done
 */
export async function readShareOptions(context: CommandContext, secrets: SecretReader): Promise<ShareToOpen[]> {
  const paths = context.args.texts("share");
  const sources = context.args.texts("share-password");
  if (paths.length === 0) {
    throw usage("OPTION_MISSING", "--share is missing: a key enters a token under its DKEK", "give all of its shares");
  }
  if (sources.length > paths.length) {
    throw usage(
      "OPTIONS_CONFLICT",
      "there are more --share-password than --share",
      "give one for each, in their order",
    );
  }
  const shares: ShareToOpen[] = [];
  for (const [i, path] of paths.entries()) {
    const content = await readWhole(context, path);
    parseShareFile(content);
    const wish = {
      option: "share-password",
      name: "password of the DKEK share",
      isNew: false,
      check: (bytes: Uint8Array) => bytes,
    };
    shares.push({ path, content, password: await secrets.openFrom(wish, sources[i]) });
  }
  return shares;
}

/** Some seconds of work for each share, on another thread. @throws as `openShareFile` and `combineShares` */
export async function openShares(
  { output, signal, io }: Pick<CommandContext, "output" | "signal" | "io">,
  shares: readonly ShareToOpen[],
): Promise<DkekKeys> {
  const abort = new AbortController();
  const onAbort = () => abort.abort(interrupted());
  if (signal.aborted) onAbort();
  signal.addEventListener("abort", onAbort, { once: true });
  const opened: Uint8Array[] = [];
  try {
    for (const { path, content, password } of shares) {
      const secret = await password.value({ token: path, stake: "checked on this computer" });
      const progress = (fraction: number) => showProgress({ io, output }, path, fraction);
      try {
        opened.push(await openShareFile(content, secret, { signal: abort.signal, progress }));
      } finally {
        if (io.stderr.isTTY === true && !output.quiet) io.stderr.write("\r\u001b[K");
      }
    }
    const dkek = combineShares(opened);
    const keys = deriveDkekKeys(dkek);
    dkek.fill(0);
    return keys;
  } finally {
    signal.removeEventListener("abort", onAbort);
    for (const share of opened) share.fill(0);
  }
}

function showProgress({ io, output }: Pick<CommandContext, "output" | "io">, path: string, fraction: number): void {
  if (io.stderr.isTTY !== true || output.quiet) return;
  const line = `opening ${path}, ${Math.floor(fraction * 100)} %`;
  io.stderr.write(`\r${line.slice(0, (io.stderr.columns ?? 80) - 1)}\u001b[K`);
}
