import { spawnSync } from "node:child_process";
import { closeSync, openSync } from "node:fs";

export interface Program {
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** What it must end with, if not 0. Then what it says on standard error is not shown. */
  readonly exit?: number;
  /** Files for standard input and output; else there is nothing to read, and what is said is not kept. */
  readonly stdin?: string;
  readonly stdout?: string;
  /** Done before the clock runs. */
  readonly begin?: () => void;
}

/** Wall time of a whole process in milliseconds. */
export function wallTime(program: Program): number {
  const { exit = 0, stdin, stdout } = program;
  program.begin?.();
  const input = stdin === undefined ? "ignore" : openSync(stdin, "r");
  const output = stdout === undefined ? "ignore" : openSync(stdout, "w");
  const start = process.hrtime.bigint();
  const done = spawnSync(program.command, program.args, {
    stdio: [input, output, exit === 0 ? "inherit" : "ignore"],
    env: { ...process.env, ...program.env },
  });
  const ms = Number(process.hrtime.bigint() - start) / 1e6;
  for (const fd of [input, output]) if (typeof fd === "number") closeSync(fd);
  if (done.error) throw done.error;
  if (done.status !== exit) throw new Error(`${program.command} ${program.args.join(" ")} ended with ${done.status}`);
  return ms;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

/**
 * Runs A and B in turn and gives the median of the ratios pair by pair, so that a machine whose speed drifts moves
 * both halves of every ratio.
 */
export function pairedRatio(a: Program, b: Program, rounds: number): { ratio: number; aMs: number; bMs: number } {
  wallTime(a);
  wallTime(b);
  const pairs = Array.from({ length: rounds }, () => [wallTime(a), wallTime(b)] as const);
  return {
    ratio: median(pairs.map(([x, y]) => x / y)),
    aMs: median(pairs.map(([x]) => x)),
    bMs: median(pairs.map(([, y]) => y)),
  };
}
