import { spawnSync } from "node:child_process";
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { newX25519Identity } from "../src/crypto/age/x25519.ts";
import { type Program, pairedRatio } from "./ratio.ts";

export interface AgeFigures {
  readonly what: string;
  readonly ratio: number;
  readonly ourMs: number;
  readonly ageMs: number;
}

/**
 * Sealing and opening a file of `mebibytes` from disk to disk, processes with their start and all: ours over
 * `node:crypto`, and the `age` program. Both write into the same folder in turn.
 * @param program the bundled `age-files.ts`
 * @returns `null` where `age` is not installed
 */
export function ageFigures(program: string, mebibytes: number, rounds: number): AgeFigures[] | null {
  if (spawnSync("age", ["--version"], { stdio: "ignore" }).error !== undefined) return null;
  const folder = mkdtempSync(join(tmpdir(), "hsmadm-bench-age-"));
  try {
    const at = (name: string): string => join(folder, name);
    const { identity, recipient } = newX25519Identity();
    writeFileSync(at("key"), `${identity}\n`, { mode: 0o600 });
    fill(at("plain"), mebibytes);
    const ours = (...args: string[]): Program => ({ command: process.execPath, args: [program, ...args] });
    const age = (...args: string[]): Program => ({ command: "age", args });
    const figures = (what: string, our: Program, theirs: Program): AgeFigures => {
      const { ratio, aMs, bMs } = pairedRatio(our, theirs, rounds);
      return { what: `${what} ${mebibytes} MiB`, ratio, ourMs: aMs, ageMs: bMs };
    };
    return [
      figures(
        "seal",
        ours("seal", recipient, at("plain"), at("sealed")),
        age("-r", recipient, "-o", at("sealed-by-age"), at("plain")),
      ),
      figures(
        "open",
        ours("open", at("key"), at("sealed-by-age"), at("opened")),
        age("-d", "-i", at("key"), "-o", at("opened"), at("sealed-by-age")),
      ),
    ];
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function fill(path: string, mebibytes: number): void {
  const block = Uint8Array.from({ length: 1024 * 1024 }, (_, i) => (i * 2654435761) >>> 24);
  const file = openSync(path, "wx");
  for (let i = 0; i < mebibytes; i++) writeSync(file, block);
  closeSync(file);
}
