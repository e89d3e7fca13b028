// Builds dist/: the library (JavaScript and types), and the command as one file with V8's code cache beside it.
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
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

/** What builds that were killed left behind. */
function removeRemains() {
  for (const name of readdirSync(root)) {
    const pid = /^dist\.(?:next|old)-(\d+)$/.exec(name)?.[1];
    if (pid !== undefined && !isRunning(Number(pid))) rmSync(join(root, name), { recursive: true, force: true });
  }
}

function isRunning(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** @param {{ quiet?: boolean }} options */
export async function build(options = {}) {
  ensureInstalled();
  const print = fingerprint();
  if (existsSync(mark) && readFileSync(mark, "utf8") === print) return;
  if (!options.quiet) process.stderr.write("building …\n");
  removeRemains();
  // Built beside and put in place at the end: whoever runs the command meanwhile has the old one, whole.
  const next = `${dist}.next-${process.pid}`;
  const old = `${dist}.old-${process.pid}`;
  try {
    const tsc = join(root, "node_modules", "typescript", "bin", "tsc");
    run(process.execPath, [tsc, "-p", "tsconfig.build.json", "--outDir", next]);
    const { bundleCommand } = await import("./lib/bundle.mjs");
    await bundleCommand(next);
    writeFileSync(join(next, ".built"), print);
    if (existsSync(dist)) renameSync(dist, old);
    renameSync(next, dist);
  } finally {
    for (const folder of [next, old]) rmSync(folder, { recursive: true, force: true });
  }
}

if (process.argv[1] === join(root, "scripts", "build.mjs")) await build();
