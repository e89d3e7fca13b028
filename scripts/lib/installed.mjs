// Installs what package-lock.json names, once: a second run sees the mark and needs no network.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

export const root = join(dirname(fileURLToPath(import.meta.url)), "..", "..");
const mark = join(root, "node_modules", ".hsmadm-installed");

/** npm tells the scripts it runs where it is itself; `npm` on the PATH may be another one. */
export const npm = process.env.npm_execpath?.endsWith(".js") ? [process.execPath, process.env.npm_execpath] : ["npm"];

/** What an installation depends on: the lock file, and Node's ABI for what was compiled. */
function fingerprint() {
  const lock = readFileSync(join(root, "package-lock.json"));
  return `${createHash("sha256").update(lock).digest("hex")} ${process.versions.modules} ${process.platform}-${process.arch}\n`;
}

/** node-gyp finds Node's own headers only when told, where they lie beside the binary (a tarball, most containers). */
export function withNodeHeaders(env) {
  const prefix = dirname(dirname(process.execPath));
  const beside = existsSync(join(prefix, "include", "node", "node_api.h"));
  return beside && env.npm_config_nodedir === undefined ? { ...env, npm_config_nodedir: prefix } : env;
}

export function ensureInstalled() {
  if (existsSync(mark) && readFileSync(mark, "utf8") === fingerprint()) return;
  process.stderr.write("installing dependencies (once) …\n");
  // Not `npm ci`: it refuses a lock file that lacks the binaries of other platforms, which a registry may not have.
  // `--no-save` installs what the lock file says, integrity included, and leaves it as it is.
  const done = spawnSync(
    npm[0],
    [...npm.slice(1), "install", "--no-save", "--no-audit", "--no-fund", "--loglevel=error"],
    {
      cwd: root,
      env: withNodeHeaders(process.env),
      stdio: ["ignore", "inherit", "inherit"],
    },
  );
  if (done.status !== 0) {
    process.stderr.write("hsmadm: error: `npm install` failed, see above\n");
    process.exit(done.status ?? 1);
  }
  markInstalled();
}

/** Says that what is in node_modules fits the lock file and this Node. */
export function markInstalled() {
  writeFileSync(mark, fingerprint());
}

/** Runs a program of this project in its folder and ends with its exit code when it fails. */
export function run(command, args, options = {}) {
  const done = spawnSync(command, args, { cwd: root, stdio: "inherit", ...options });
  if (done.error) throw done.error;
  if (done.status !== 0) process.exit(done.status ?? 1);
}
