import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll } from "vitest";
import { concat, utf8Bytes } from "../../../src/bytes/bytes.ts";
import type { CliIo, CliSignal, Terminal } from "../../../src/cli/io.ts";
import { run } from "../../../src/cli/main.ts";

export interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  /** Standard output as it is. */
  readonly bytes: Uint8Array;
}

/** What somebody types, in order; `null` is Ctrl-C. What was asked is kept. */
export class TypingPerson implements Terminal {
  readonly prompts: string[] = [];
  readonly #answers: (string | null | Error)[];

  constructor(...answers: (string | null | Error)[]) {
    this.#answers = answers;
  }

  async readSecret(prompt: string): Promise<Uint8Array> {
    return utf8Bytes(this.#next(prompt));
  }

  async readLine(prompt: string): Promise<string> {
    return this.#next(prompt);
  }

  #next(prompt: string): string {
    this.prompts.push(prompt);
    const answer = this.#answers.shift();
    if (answer instanceof Error) throw answer;
    if (typeof answer !== "string") throw new Error(`nobody answers: ${prompt}`);
    return answer;
  }

  get left(): number {
    return this.#answers.length;
  }
}

export interface TestIoOptions {
  readonly env?: Record<string, string>;
  readonly person?: Terminal;
  /** Standard input is the person's keyboard. */
  readonly typed?: boolean;
  readonly now?: Date;
  /** Columns of the terminal that standard output is. */
  readonly terminal?: number;
  /** Sees what goes to standard error as it is written. */
  readonly onStderr?: (text: string) => void;
}

/** The outside world of one test file: a home of its own, and everything that was printed. */
export class TestWorld {
  readonly home = mkdtempSync(join(tmpdir(), "hsmadm-cli-"));
  readonly #listeners = new Map<CliSignal, Set<() => void>>();
  /** Everything any command of this world printed, for the hunt for planted secrets. */
  printed = "";
  exited: number | undefined;

  constructor() {
    afterAll(() => rmSync(this.home, { recursive: true, force: true }));
  }

  path(name: string): string {
    return join(this.home, name);
  }

  /** Presses Ctrl-C, or whatever the signal is. */
  signal(name: CliSignal): void {
    for (const listener of [...(this.#listeners.get(name) ?? [])]) listener();
  }

  listening(name: CliSignal): number {
    return this.#listeners.get(name)?.size ?? 0;
  }

  /** Runs one command line in this process. */
  async run(argv: readonly string[], options: TestIoOptions = {}): Promise<Outcome> {
    let stdout = "";
    let stderr = "";
    const bytes: Uint8Array[] = [];
    const io: CliIo = {
      env: { HSMADM_HOME: this.home, PATH: process.env["PATH"], ...options.env },
      stdout: {
        ...(options.terminal === undefined ? {} : { isTTY: true, columns: options.terminal }),
        write: (text: string | Uint8Array) => {
          bytes.push(typeof text === "string" ? utf8Bytes(text) : text.slice());
          stdout += text;
        },
      },
      stderr: {
        // Whoever watches it sees what a terminal would.
        isTTY: options.onStderr !== undefined,
        write: (text: string) => {
          stderr += text;
          options.onStderr?.(text);
        },
      },
      terminal: () => options.person ?? null,
      typedInput: () => options.typed === true,
      onSignal: (name, listener) => {
        const listeners = this.#listeners.get(name) ?? new Set();
        this.#listeners.set(name, listeners.add(listener));
        return () => listeners.delete(listener);
      },
      exitNow: (code) => {
        this.exited = code;
      },
      version: () => "0.0.0-test",
      homeFolder: this.home,
      now: () => options.now ?? new Date("2026-11-20T12:00:00Z"),
      userId: process.getuid?.() ?? null,
    };
    const code = await run(argv, io);
    this.printed += stdout + stderr;
    return { code, stdout, stderr, bytes: concat(...bytes) };
  }
}
