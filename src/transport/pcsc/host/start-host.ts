import { type ChildProcess, fork } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

/**
 * Where the reader host's compiled entry may lie, seen from this file as built by `tsc` (`dist/src/transport/pcsc/host/`)
 * and from a bundle in `dist/cli/`, whose `import.meta.url` is the bundle's. From TypeScript sources only a Node that
 * strips types can start it; tests build one and name it.
 */
const places = [
  "./reader-host.js",
  "../src/transport/pcsc/host/reader-host.js",
  "./reader-host.mjs",
  "./reader-host.ts",
];

/** Path of the reader host's entry, or `null` where this installation has none. */
export function findHostEntry(): string | null {
  for (const place of places) {
    const path = fileURLToPath(new URL(place, import.meta.url));
    if (existsSync(path)) return path;
  }
  return null;
}

/**
 * Starts a reader host. It gets no arguments and only the part of the environment that PC/SC reads: PINs handed to the
 * command in variables stay here. It has no output: what a native library prints could be anything.
 */
export function startHost(entry: string): ChildProcess {
  const env: Record<string, string> = { UV_THREADPOOL_SIZE: "16", NODE_NO_WARNINGS: "1" };
  for (const [name, value] of Object.entries(process.env)) {
    if (value !== undefined && passed.test(name)) env[name] = value;
  }
  return fork(entry, [], {
    execArgv: [],
    env: env as NodeJS.ProcessEnv,
    serialization: "advanced",
    stdio: ["ignore", "ignore", "ignore", "ipc"],
  });
}

const passed =
  /^(PATH|HOME|LANG|LC_ALL|TMPDIR|TEMP|TMP|SystemRoot|windir|LD_LIBRARY_PATH|(LIB)?PCSC(LITE)?_\w+|MUSCLECARD_\w+)$/i;
