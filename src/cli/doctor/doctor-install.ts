import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { BuildTools } from "../../services/doctor/doctor-bindings.ts";
import { findProgram, type Machine, textOf } from "./doctor-machine.ts";

/** What this machine has of what building a native binding needs, and where npm is to be run for it. */
export function seeBuildTools(machine: Machine, platform: string, start = import.meta.url): BuildTools {
  const folder = installationFolder(dirname(fileURLToPath(start)));
  const has = (...names: string[]): boolean => names.some((name) => findProgram(machine, name) !== null);
  return {
    folder: folder === null ? null : shortened(folder, machine.homeFolder),
    headers:
      platform === "linux"
        ? ["/usr/include", "/usr/local/include"].some((path) => existsSync(`${machine.root}${path}/PCSC/winscard.h`))
        : null,
    compiler: has("c++", "g++", "clang++") && has("make", "gmake"),
    python: has("python3", "python"),
    scriptsOff: scriptsOff(machine, folder),
  };
}

/** The folder whose `node_modules` holds hsmadm, else hsmadm's own (a checkout, or installed for the whole system). */
function installationFolder(start: string): string | null {
  const outer = start.lastIndexOf(`${join("/", "node_modules", "hsmadm")}`);
  if (outer > 0 && existsSync(join(start.slice(0, outer), "package.json"))) return start.slice(0, outer);
  for (let at = start; dirname(at) !== at; at = dirname(at)) if (existsSync(join(at, "package.json"))) return at;
  return null;
}

/** A report is pasted in public: the name of the home folder says nothing there. */
function shortened(path: string, home: string): string {
  return path === home || path.startsWith(`${home}/`) ? `~${path.slice(home.length)}` : quoted(path);
}

function quoted(path: string): string {
  return /^[\w@%+=:,./-]+$/.test(path) ? path : `'${path.replaceAll("'", `'\\''`)}'`;
}

function scriptsOff(machine: Machine, folder: string | null): boolean {
  if (machine.env["npm_config_ignore_scripts"] === "true") return true;
  const files = [
    join(machine.homeFolder, ".npmrc"),
    ...(folder === null ? [] : [join(folder, ".npmrc")]),
    "/etc/npmrc",
  ];
  return files.some((path) => /^\s*ignore-scripts\s*=\s*true\s*$/m.test(textOf(machine, path)));
}
