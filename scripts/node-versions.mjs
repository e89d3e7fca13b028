// Runs the tests on other versions of Node: node scripts/node-versions.mjs [--results FOLDER] [24 26 …] [-- TESTS…]
// All at the same time, since tests mostly wait; what each prints comes whole. Each gets a copy of the work tree with
// `pcsclite` built for it (or `pcsc-mini`, where that fails), so that the tree's own node_modules stay as they are. --results keeps vitest's JSON report of each as FOLDER/node-VERSION.json.
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { chmodSync, cpSync, existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { ensureInstalled, npm, root } from "./lib/installed.mjs";
import { installNode, nodeVersions } from "./lib/node-versions.mjs";

const split = process.argv.indexOf("--");
const tests = split < 0 ? [] : process.argv.slice(split + 1);
const { values, positionals } = parseArgs({
  args: process.argv.slice(2, split < 0 ? undefined : split),
  options: { results: { type: "string" } },
  allowPositionals: true,
});
const own = process.versions.node.split(".")[0];
const lines = positionals.length > 0 ? positionals : Object.keys(nodeVersions).filter((line) => line !== own);
const results = values.results === undefined ? undefined : resolve(values.results);

ensureInstalled();
const versions = lines.map((line) => {
  const version = nodeVersions[line];
  if (version === undefined) throw new Error(`no Node ${line} is known, only ${Object.keys(nodeVersions).join(", ")}`);
  return version;
});
const told = await Promise.all(
  versions.map(async (version) => {
    const { passed, binding } = await testOn(version);
    return { passed, text: `Node ${version} (${binding}): ${passed ? "passed" : "FAILED"}` };
  }),
);
for (const { text } of told) console.log(text);
process.exitCode = told.every(({ passed }) => passed) ? 0 : 1;

/** @param {string} version */
async function testOn(version) {
  const cached = installNode(version);
  const folder = mkdtempSync(join(tmpdir(), "hsmadm-node-"));
  const prefix = join(folder, "node_modules", ".cache", "node");
  const node = join(prefix, "bin", "node");
  try {
    // Some tests run the command as an ordinary user, who sees neither this folder's default mode nor root's cache.
    chmodSync(folder, 0o755);
    // Not what was built, and no caches.
    const left = /^(\.git|dist|dist\..*|coverage|node_modules[\\/]\.(cache|vite.*|record-.*))$/;
    cpSync(root, folder, {
      recursive: true,
      verbatimSymlinks: true,
      filter: (path) => !left.test(path.slice(root.length).replace(/^[\\/]/, "")),
    });
    cpSync(cached, prefix, { recursive: true, verbatimSymlinks: true });
    const env = { ...process.env, npm_config_nodedir: prefix };
    env.PATH = `${join(prefix, "bin")}${delimiter}${process.env.PATH}`;
    const binding = rebuilt(node, folder, env);
    const reports = results === undefined ? [] : ["--reporter=default", "--reporter=json"];
    if (results !== undefined) {
      mkdirSync(results, { recursive: true });
      reports.push(`--outputFile.json=${join(results, `node-${version}.json`)}`);
    }
    const mark = 'import("./scripts/lib/installed.mjs").then(({ markInstalled }) => markInstalled())';
    const steps = [
      ["-e", mark],
      ["scripts/build.mjs"],
      ["node_modules/vitest/vitest.mjs", "run", "--maxWorkers=1", ...reports, ...tests],
    ];
    let passed = true;
    let output = `\nNode ${version} with ${binding}\n`;
    for (const words of steps) {
      if (!passed) break;
      const child = spawn(node, words, { cwd: folder, env, stdio: ["ignore", "pipe", "pipe"] });
      for (const stream of [child.stdout, child.stderr]) {
        stream.setEncoding("utf8").on("data", (text) => {
          output += text;
        });
      }
      const [code] = await once(child, "close");
      passed = code === 0;
    }
    process.stdout.write(output);
    return { binding, passed };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** What stands for PC/SC in the copy. */
function rebuilt(node, folder, env) {
  const place = join(folder, "node_modules", "pcsclite");
  if (!existsSync(place)) return "pcsc-mini";
  const [command, ...words] = npm[0] === process.execPath ? [node, ...npm.slice(1)] : npm;
  const built = spawnSync(command, [...words, "rebuild", "pcsclite"], { cwd: folder, env, encoding: "utf8" });
  const loads = spawnSync(node, ["-e", 'require("pcsclite")'], { cwd: folder, env });
  if (built.status === 0 && loads.status === 0) return "pcsclite";
  process.stderr.write(`pcsclite could not be rebuilt, pcsc-mini stands in: ${built.stderr}\n`);
  // As where its installation failed: an optional dependency that is not there.
  rmSync(place, { recursive: true });
  return "pcsc-mini";
}
