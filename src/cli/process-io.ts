import { existsSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { isatty } from "node:tty";
import { fileURLToPath } from "node:url";
import type { CliIo, CliSignal } from "./io.ts";
import { isGone, pourOut } from "./streams/pour-out.ts";
import { openTerminal } from "./terminal/terminal.ts";

/** The outside world of a real process. */
export function processIo(): CliIo {
  const outputGone = new AbortController();
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    ignoreGone(error);
    outputGone.abort();
  });
  process.stderr.on("error", ignoreGone);
  return {
    env: process.env,
    stdout: process.stdout,
    pour: pourOut,
    stderr: process.stderr,
    outputGone: outputGone.signal,
    terminal: openTerminal,
    typedInput: () => isatty(0),
    onSignal,
    exitNow: (code) => process.exit(code),
    version: packageVersion,
    homeFolder: homedir(),
    now: () => new Date(),
    userId: process.getuid?.() ?? null,
  };
}

/** `hsmadm … | head`, or a terminal that was closed: nobody reads any more. The work on the card goes on to its end. */
function ignoreGone(error: NodeJS.ErrnoException): void {
  if (!isGone(error)) throw error;
}

function onSignal(name: CliSignal, listener: () => void): () => void {
  process.on(name, listener);
  return () => process.off(name, listener);
}

/** Two folders up from src/cli and from dist/cli, three from dist/src/cli. */
function packageVersion(): string {
  for (let folder = dirname(fileURLToPath(import.meta.url)), up = 0; up < 5; folder = dirname(folder), up++) {
    const file = join(folder, "package.json");
    if (existsSync(file)) return (JSON.parse(readFileSync(file, "utf8")) as { version: string }).version;
  }
  return "unknown";
}
