import { openSync } from "node:fs";
import { ReadStream, WriteStream } from "node:tty";
import { utf8Bytes } from "../../bytes/bytes.ts";
import { HsmError } from "../../errors.ts";
import { interrupted } from "../interruption.ts";
import type { Terminal } from "../io.ts";
import { LineEditor } from "./line-editor.ts";
import { wrap } from "./wrap.ts";

/**
 * The person at the keyboard, or `null`. Standard input where it is a terminal; else /dev/tty where at least the
 * prompts would be seen (standard error is a terminal): `hsmadm vault set … < secret` can then still ask for a PIN.
 * A job of cron or CI has neither and is never asked.
 */
export function openTerminal(): Terminal | null {
  if (process.stdin.isTTY) {
    const output = process.stderr.isTTY ? process.stderr : (controllingTerminal("w")?.output ?? process.stdout);
    return terminalOn(() => ({ input: process.stdin, output, release: () => process.stdin.pause() }));
  }
  if (!process.stderr.isTTY || controllingTerminal("r") === undefined) return null;
  return terminalOn(() => {
    const own = controllingTerminal("r");
    if (own?.input === undefined) throw new HsmError("NO_TERMINAL", "usage", "the terminal cannot be opened");
    const { input } = own;
    return { input, output: process.stderr, release: () => input.destroy() };
  });
}

/** Sent by `kill`, or because the terminal was closed; the keys of a terminal in raw mode send none. */
const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** One listener for however many prompts. */
const unheard = () => undefined;

interface Line {
  readonly input: ReadStream;
  readonly output: { write(text: string): unknown; readonly columns?: number | undefined };
  readonly release: () => void;
}

function controllingTerminal(mode: "r" | "w"): { input?: ReadStream; output?: WriteStream } | undefined {
  try {
    const fd = openSync("/dev/tty", mode);
    return mode === "r" ? { input: new ReadStream(fd) } : { output: new WriteStream(fd) };
  } catch {
    return undefined;
  }
}

function terminalOn(open: () => Line): Terminal {
  return {
    readSecret: (prompt) => readLine(open(), prompt, false),
    readLine: async (prompt) => new TextDecoder().decode(await readLine(open(), prompt, true)),
  };
}

function readLine(line: Line, prompt: string, shown: boolean): Promise<Uint8Array> {
  const { input, output, release } = line;
  return new Promise((resolve, reject) => {
    const editor = new LineEditor(shown ? (text) => output.write(text) : undefined);
    const end = () => {
      input.off("data", onData);
      input.off("end", onEnd);
      input.off("error", onEnd);
      for (const name of signals) process.off(name, onSignal);
      // A terminal that was closed in the meantime has no mode to go back to. What it still says is listened to, unheard.
      if (!input.listeners("error").includes(unheard)) input.on("error", unheard);
      try {
        input.setRawMode(false);
      } catch {}
      release();
      output.write("\n");
    };
    const onEnd = () => {
      end();
      reject(cancelled());
    };
    const onSignal = () => {
      end();
      reject(interrupted());
    };
    const onData = (chunk: Buffer | string) => {
      const outcome = editor.feed(typeof chunk === "string" ? utf8Bytes(chunk) : new Uint8Array(chunk));
      if (outcome === undefined) return;
      end();
      if (outcome.kind === "line") resolve(outcome.bytes);
      else reject(outcome.kind === "interrupted" ? interrupted() : cancelled());
    };
    // Raw mode before the prompt: what is typed ahead is not echoed either. Ctrl-C then comes as a byte.
    input.setRawMode(true);
    input.on("data", onData);
    input.on("end", onEnd);
    input.on("error", onEnd);
    for (const name of signals) process.on(name, onSignal);
    input.resume();
    const lines = prompt.split("\n").flatMap((one) => wrap(one, output.columns));
    output.write(lines.join("\n"));
  });
}

function cancelled(): HsmError {
  return new HsmError("CANCELLED", "cancelled", "cancelled, nothing was sent");
}
