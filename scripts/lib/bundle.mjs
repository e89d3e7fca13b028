// The command as one file, V8's code cache for it, the help text that is answered before anything loads, the manual page.
import { spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { root } from "./installed.mjs";

/** @param {string} dist */
export async function bundleCommand(dist) {
  const { build } = await import("esbuild");
  const folder = join(dist, "cli");
  mkdirSync(folder, { recursive: true });
  const { metafile } = await build({
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
    // Native, optional, found beside the package or not at all. In a script that comes from V8's cache `import` is not to be had.
    external: ["node-hid"],
    supported: { "dynamic-import": false },
    minifyWhitespace: true,
    // Whole licences go beside it instead.
    legalComments: "none",
    metafile: true,
    logLevel: "warning",
  });
  writeFileSync(join(folder, "third-party-licences.txt"), licences(Object.keys(metafile.inputs)));
  const worker = spawnSync(process.execPath, [join(root, "scripts/lib/code-cache.mjs"), folder], {
    stdio: ["ignore", "pipe", "inherit"],
    encoding: "utf8",
  });
  if (worker.status !== 0) throw new Error("the code cache could not be made, see above");
  writeFileSync(join(folder, "help.txt"), worker.stdout);
  const { manPage } = await import(pathToFileURL(join(dist, "src/cli/man-page.js")).href);
  const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  writeFileSync(join(dist, "hsmadm.1"), manPage(version));
}

/** The licence text of every package that a bundle has something of. */
function licences(inputs) {
  const packages = new Set();
  for (const input of inputs) {
    const found = /^(.*\bnode_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(input);
    if (found !== null) packages.add(found[1]);
  }
  const texts = [...packages].sort().map((path) => {
    const folder = join(root, path);
    const { name, version, license } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
    const file = readdirSync(folder).find((each) => /^licen[cs]e(\.(md|txt))?$/i.test(each));
    if (file === undefined) throw new Error(`${name} comes without its licence (${license})`);
    return `== ${name} ${version}, ${license}\n\n${readFileSync(join(folder, file), "utf8").trim()}\n`;
  });
  return `hsmadm.cjs contains code of these packages.\n\n${texts.join("\n")}`;
}
