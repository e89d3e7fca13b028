import { type SpawnOptionsWithoutStdio, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe } from "vitest";

/** The command as the build leaves it. */
export const bin = fileURLToPath(new URL("../../../dist/bin/hsmadm.js", import.meta.url));

/** `describe` for what needs the built command; `npm test` builds it first. */
export function describeBuilt(name: string, suite: () => void): void {
  if (existsSync(bin)) {
    describe(name, suite);
    return;
  }
  if (process.env["HSMADM_TEST_NOTHING_MISSING"] !== undefined) throw new Error(`${name}: the command is not built`);
  process.stderr.write(`left out: ${name} (not built: npm run build)\n`);
  describe.skip(`${name} (left out: not built)`, suite);
}

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export class Running {
  stdout = "";
  stderr = "";
  readonly child;
  readonly ended: Promise<Ended>;
  readonly #waiting: { pattern: RegExp; resolve: () => void }[] = [];

  constructor(command: string, words: readonly string[], options: SpawnOptionsWithoutStdio = {}) {
    this.child = spawn(command, words, { ...options, stdio: "pipe" });
    this.child.stdout.on("data", (chunk) => this.#note("stdout", chunk));
    this.child.stderr.on("data", (chunk) => this.#note("stderr", chunk));
    this.child.stdin.on("error", () => undefined);
    this.ended = new Promise((resolve, reject) => {
      this.child.once("error", reject);
      this.child.once("close", (code, signal) => resolve({ code, signal, stdout: this.stdout, stderr: this.stderr }));
    });
  }

  /** Waits until the output so far matches, or the process has ended. */
  async says(pattern: RegExp): Promise<void> {
    if (pattern.test(this.stdout + this.stderr)) return;
    const said = new Promise<void>((resolve) => this.#waiting.push({ pattern, resolve }));
    await Promise.race([said, this.ended]);
  }

  #note(stream: "stdout" | "stderr", chunk: Buffer): void {
    this[stream] += chunk.toString("utf8");
    for (const { pattern, resolve } of this.#waiting) if (pattern.test(this.stdout + this.stderr)) resolve();
  }
}

/** Runs the built command in a process of its own. */
export function hsmadm(words: readonly string[], env: NodeJS.ProcessEnv = {}): Running {
  return new Running(process.execPath, [bin, ...words], { env: { ...process.env, ...env } });
}
