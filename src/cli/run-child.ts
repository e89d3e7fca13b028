import { spawn } from "node:child_process";
import { constants } from "node:os";
import type { CliIo, CliSignal } from "./io.ts";

/** What a shell gives for a command that is not there, and for one that may not be run. */
const notFound = 127;
const notExecutable = 126;

/**
 * Runs a command with our own standard input, output and error, hands signals on, and gives its exit code as a shell
 * would: 128 and the signal's number when one ended it.
 */
export function runChild(io: CliIo, command: string, words: readonly string[]): Promise<number> {
  return new Promise((resolve) => {
    const child = spawn(command, words, { stdio: "inherit", env: { ...io.env } });
    // On a terminal Ctrl-C reaches the child by itself, as it is in the same process group; kill(1) sends to us alone.
    const onTerminal = io.stdout.isTTY === true || io.stderr.isTTY === true;
    const handOn = (name: CliSignal) => () => {
      if (name !== "SIGINT" || !onTerminal) child.kill(name);
    };
    const names: readonly CliSignal[] = ["SIGINT", "SIGTERM", "SIGHUP"];
    const offs = names.map((name) => io.onSignal(name, handOn(name)));
    const end = (code: number) => {
      for (const off of offs) off();
      resolve(code);
    };
    child.once("error", (error: NodeJS.ErrnoException) => {
      if (child.pid !== undefined) return;
      io.stderr.write(
        `hsmadm: error: \`${command}\` cannot be run: ${error.code === "ENOENT" ? "not found" : error.message}\n`,
      );
      end(error.code === "ENOENT" ? notFound : notExecutable);
    });
    child.once("exit", (code, signal) => end(code ?? 128 + (signal === null ? 0 : constants.signals[signal])));
  });
}
