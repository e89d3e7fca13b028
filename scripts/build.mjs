// Builds dist/: the library (JavaScript and types), and the command as one file with V8's code cache beside it.
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ensureInstalled, root, run } from "./lib/installed.mjs";

const dist = join(root, "dist");
const mark = join(dist, ".built");

function sources(folder) {
  return readdirSync(join(root, folder), { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
}

/** Changes whenever a source, the tool configuration or Node's version does. */
function fingerprint() {
  const hash = createHash("sha256").update(process.version);
  const files = [...sources("src"), ...sources("bin"), ...sources("scripts")];
  for (const name of ["package.json", "package-lock.json", "tsconfig.json", "tsconfig.build.json"])
    files.push(join(root, name));
  for (const file of files)
    hash
      .update(file.slice(root.length))
      .update(`${statSync(file).size}\n`)
      .update(readFileSync(file));
  return hash.digest("hex");
}

/** @param {{ quiet?: boolean }} options */
export async function build(options = {}) {
  ensureInstalled();
  const print = fingerprint();
  if (existsSync(mark) && readFileSync(mark, "utf8") === print) return;
  if (!options.quiet) process.stderr.write("building …\n");
  rmSync(dist, { recursive: true, force: true });
  run(process.execPath, [join(root, "node_modules", "typescript", "bin", "tsc"), "-p", "tsconfig.build.json"]);
  const { bundleCommand } = await import("./lib/bundle.mjs");
  await bundleCommand(dist);
  writeFileSync(mark, print);
}

if (process.argv[1] === join(root, "scripts", "build.mjs")) await build();
