/**
 * Starts the command fast: `--version` and `--help` are answered from files the build left, everything else runs from
 * the bundle and V8's code cache beside it. A cache made by another Node is rejected by V8 itself and then unused.
 */
import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { isatty } from "node:tty";
import { fileURLToPath } from "node:url";
import { Script } from "node:vm";

type Command = Pick<typeof import("./main.ts"), "run" | "runAgePlugin" | "processIo" | "renderHelp">;

const here = dirname(fileURLToPath(import.meta.url));
/** `dist/`, seen from `dist/src/cli/`. */
const dist = join(here, "..", "..");

/**
 * Compiles the bundle and runs its top level.
 * @param name what stack traces call it; the build gives one without a path, because V8 keeps it in the code cache
 */
export function loadBundle(
  file: string,
  cachedData: Buffer | undefined,
  name = file,
): { script: Script; exports: Command } {
  const source = `(function (exports, require, module, __filename, __dirname) {${readFileSync(file, "utf8")}\n})`;
  const script = new Script(source, { filename: name, cachedData });
  const module = { exports: {} as Command };
  script.runInThisContext()(module.exports, createRequire(file), module, file, dirname(file));
  return { script, exports: module.exports };
}

export function version(): string {
  return (JSON.parse(readFileSync(join(dist, "..", "package.json"), "utf8")) as { version: string }).version;
}

/**
 * A terminal that was closed in the meantime: on its way out Node puts the terminal's modes back and aborts, with a core
 * dump, where that fails. So the process ends as one does whose terminal has hung up; all the work is done by then.
 */
function endWithTerminal(): void {
  const terminals = [0, 1, 2].filter((fd) => isatty(fd));
  if (terminals.length === 0) return;
  process.on("exit", () => {
    if (terminals.every((fd) => isatty(fd))) return;
    process.removeAllListeners("SIGHUP");
    process.kill(process.pid, "SIGHUP");
  });
}

export async function launch(argv: readonly string[]): Promise<void> {
  endWithTerminal();
  const [only, ...more] = argv;
  if (more.length === 0 && (only === "--version" || only === "-V")) {
    process.stdout.write(`${version()}\n`);
    return;
  }
  const { isTTY, columns } = process.stdout;
  const usualWidth = !isTTY || columns === 80;
  if (usualWidth && (argv.length === 0 || (more.length === 0 && (only === "--help" || only === "-h")))) {
    process.stdout.write(readFileSync(join(dist, "cli", "help.txt"), "utf8"));
    return;
  }
  const { run, processIo } = loadCommand();
  process.exitCode = await run([...argv], processIo());
  // Everything is given back. A reader that does not read, a writer that does not write are not waited for.
  if (process.exitCode === 130) process.exit();
}

/** `age-plugin-hsmadm`: the same code, with age at the other end of standard input and output. */
export async function launchAgePlugin(argv: readonly string[]): Promise<void> {
  const { runAgePlugin, processIo } = loadCommand();
  const write = (bytes: Uint8Array): Promise<void> =>
    new Promise((resolve, reject) => {
      process.stdout.write(bytes, (error) => (error == null ? resolve() : reject(error)));
    });
  process.exitCode = await runAgePlugin({ argv, io: processIo(), input: process.stdin, write });
  // age keeps its end open until this process is over.
  process.stdin.destroy();
}

function loadCommand(): Command {
  const cache = join(dist, "cli", "hsmadm.cache");
  return loadBundle(join(dist, "cli", "hsmadm.cjs"), existsSync(cache) ? readFileSync(cache) : undefined).exports;
}
