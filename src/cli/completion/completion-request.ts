import { readdirSync } from "node:fs";
import { join } from "node:path";
import { readDeviceCache } from "../devices/device-cache.ts";
import type { CliIo } from "../io.ts";
import { pathsFor } from "../paths.ts";
import { complete } from "./completion.ts";
import { answerLines, isShell, splitBashLine } from "./completion-shells.ts";
import type { CompletionSources } from "./completion-values.ts";

const mostPaths = 500;

/**
 * Answers a completion script: `__complete zsh|fish WORD…` or `__complete bash BREAKS LINE`. Whatever is wrong, a
 * person is in the middle of typing: then nothing is offered and nothing is said.
 */
export function answerCompletion(argv: readonly string[], io: CliIo): string {
  try {
    const [shell = "", ...rest] = argv;
    if (!isShell(shell)) return "";
    const sources = sourcesOf(io);
    const typed = shell === "bash" ? splitBashLine(rest[1] ?? "", rest[0] ?? "") : undefined;
    const completion = complete(typed?.words ?? rest, sources);
    return answerLines(shell, completion, typed?.last)
      .map((line) => `${line}\n`)
      .join("");
  } catch {
    return "";
  }
}

function sourcesOf(io: CliIo): CompletionSources {
  const paths = pathsFor(io);
  return {
    devices: () => readDeviceCache(paths.devices),
    simulated: () => names(paths.simulator, ".json"),
    authenticators: () => names(paths.simulator, ".fido2"),
    paths: (begin) => pathsThatBegin(begin, io),
    variables: () => Object.keys(io.env).filter((name) => /^[A-Za-z_]\w*$/.test(name)),
  };
}

/** Files of a folder that end so, without the end. */
function names(folder: string, end: string): string[] {
  try {
    const files = readdirSync(folder).filter((name) => name.endsWith(end));
    return files.map((name) => name.slice(0, -end.length)).sort();
  } catch {
    return [];
  }
}

function pathsThatBegin(begin: string, io: CliIo): string[] {
  const slash = begin.lastIndexOf("/") + 1;
  const folder = begin.slice(0, slash);
  const name = begin.slice(slash);
  const real = folder.startsWith("~/") ? join(io.homeFolder, folder.slice(2)) : folder === "" ? "." : folder;
  try {
    return readdirSync(real, { withFileTypes: true })
      .filter((entry) => entry.name.startsWith(name) && (name !== "" || !entry.name.startsWith(".")))
      .slice(0, mostPaths)
      .map((entry) => `${folder}${entry.name}${entry.isDirectory() ? "/" : ""}`)
      .sort();
  } catch {
    return [];
  }
}
