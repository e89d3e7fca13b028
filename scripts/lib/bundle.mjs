// The command as one file, V8's code cache for it, and the help text that is answered before anything loads.
import { spawnSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "./installed.mjs";

/** @param {string} dist */
export async function bundleCommand(dist) {
  const { build } = await import("esbuild");
  const folder = join(dist, "cli");
  mkdirSync(folder, { recursive: true });
  await build({
    entryPoints: [join(root, "src/cli/main.ts")],
    outfile: join(folder, "hsmadm.cjs"),
    bundle: true,
    platform: "node",
    target: "node20",
    // CommonJS, because only a classic script can be run from V8's code cache on Node 20; modules that a command
    // does not need stay functions that never run.
    format: "cjs",
    banner: { js: 'const importMetaUrl = require("node:url").pathToFileURL(__filename).href;' },
    define: { "import.meta.url": "importMetaUrl" },
    // Two copies of string-width compile a regular expression over all of Unicode at every start, 17 ms in all. Help texts are plain.
    alias: { "string-width": join(root, "scripts/lib/plain-width.mjs") },
    minifyWhitespace: true,
    legalComments: "none",
    logLevel: "warning",
  });
  const worker = spawnSync(process.execPath, [join(root, "scripts/lib/code-cache.mjs"), folder], {
    stdio: ["ignore", "pipe", "inherit"],
    encoding: "utf8",
  });
  if (worker.status !== 0) throw new Error("the code cache could not be made, see above");
  writeFileSync(join(folder, "help.txt"), worker.stdout);
}
