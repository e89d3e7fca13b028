import { spawnSync } from "node:child_process";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, statSync, writeFileSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { newX25519Identity } from "../src/crypto/age/x25519.ts";
import { type Program, pairedRatio, wallTime } from "./ratio.ts";
import type { BenchVault } from "./vault.ts";

export interface AgeFigures {
  readonly what: string;
  readonly ratio: number;
  readonly ourMs: number;
  readonly ageMs: number;
}

const opener = ({ recovery }: BenchVault): readonly string[] => ["--recovery", `file:${recovery}`];

/** How the bytes come and go. */
type Way = (words: readonly string[], from: string, to: string) => Program;

const throughFiles: Way = ([command = "", ...args], stdin, stdout) => ({ command, args, stdin, stdout });
/** The shell's two `cat` are in the time of both sides. */
const throughPipes: Way = (words, from, to) => ({
  command: "sh",
  args: ["-c", 'from=$1; to=$2; shift 2; cat "$from" | "$@" | cat > "$to"', "sh", from, to, ...words],
});

/**
 * `vault seal` and `vault unseal` of the built command on a file of `mebibytes`, with its start and the opening of the
 * vault, beside the `age` program: redirected files, pipes, and `--out`, which alone waits until the disk has it all.
 * @returns `null` where `age` is not installed
 */
export function ageFigures(bin: string, vault: BenchVault, mebibytes: number, rounds: number): AgeFigures[] | null {
  if (spawnSync("age", ["--version"], { stdio: "ignore" }).error !== undefined) return null;
  const folder = mkdtempSync(join(tmpdir(), "hsmadm-bench-age-"));
  try {
    const at = (name: string): string => join(folder, name);
    const { identity, recipient } = newX25519Identity();
    writeFileSync(at("key"), `${identity}\n`, { mode: 0o600 });
    fill(at("plain"), mebibytes);
    const our = (verb: string) => [process.execPath, bin, "vault", verb, vault.path, ...opener(vault)];
    const figures = (what: string, ours: Program, theirs: Program): AgeFigures => {
      const begin = () => {
        for (const name of ["ours", "theirs"]) rmSync(at(name), { force: true });
      };
      const whole = (program: Program): Program => ({ ...program, begin, env: vault.env });
      const { ratio, aMs, bMs } = pairedRatio(whole(ours), whole(theirs), rounds);
      return { what: `${what} ${mebibytes} MiB`, ratio, ourMs: aMs, ageMs: bMs };
    };
    const rows = (verb: string, from: string, ageWords: readonly string[], ageFrom: string): AgeFigures[] => {
      const [source, ageSource, ours, theirs] = [at(from), at(ageFrom), at("ours"), at("theirs")];
      const ways = [
        ["", throughFiles],
        [" through pipes", throughPipes],
      ] as const;
      return [
        ...ways.map(([how, way]) =>
          figures(`${verb}${how}`, way(our(verb), source, ours), way(["age", ...ageWords], ageSource, theirs)),
        ),
        figures(
          `${verb} --out`,
          { command: process.execPath, args: [...our(verb).slice(1), "--in", source, "--out", ours] },
          { command: "age", args: [...ageWords, "-o", theirs, ageSource] },
        ),
      ];
    };
    // What the vault opens is sealed once by the command itself, what age opens by age.
    const sealed = throughFiles(our("seal"), at("plain"), at("sealed"));
    wallTime({ ...sealed, env: vault.env });
    wallTime({ command: "age", args: ["-r", recipient, "-o", at("sealed-by-age"), at("plain")] });
    if (statSync(at("sealed")).size < statSync(at("plain")).size) throw new Error("the vault sealed too little");
    return [
      ...rows("seal", "plain", ["-r", recipient], "plain"),
      ...rows("unseal", "sealed", ["-d", "-i", at("key")], "sealed-by-age"),
    ];
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The most memory, in MiB, that unsealing takes for a small and for a large file. */
export function unsealMemory(bin: string, vault: BenchVault, sizes: readonly number[]): number[] {
  const folder = mkdtempSync(join(tmpdir(), "hsmadm-bench-memory-"));
  const at = (name: string): string => join(folder, name);
  try {
    writeFileSync(
      at("witness.cjs"),
      `process.on("exit", () => require("fs").writeFileSync(process.env.WITNESS, String(process.resourceUsage().maxRSS)));`,
    );
    const env = { ...vault.env, WITNESS: at("peak") };
    return sizes.map((mebibytes) => {
      rmSync(at("plain"), { force: true });
      fill(at("plain"), mebibytes);
      const words = (verb: string) => [bin, "vault", verb, vault.path, ...opener(vault)];
      wallTime({ command: process.execPath, args: words("seal"), env, stdin: at("plain"), stdout: at("sealed") });
      const args = ["--require", at("witness.cjs"), ...words("unseal")];
      wallTime({ command: process.execPath, args, env, stdin: at("sealed") });
      return Number(readFileSync(at("peak"), "utf8")) / 1024;
    });
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
