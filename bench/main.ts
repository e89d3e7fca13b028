/**
 * Budgets of the design, measured as ratios in one run: `npm run bench`. Prints one line a row and ends with 1 when a
 * budget is missed. `--rounds N` sets the number of pairs (default 15), `--large` adds an age file of 1 GiB.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ageFigures, unsealMemory } from "./age.ts";
import { apduCounts } from "./apdu-counts.ts";
import { dkekFigures } from "./dkek.ts";
import { type Program, pairedRatio } from "./ratio.ts";
import { readBinaryBudget, readBinaryPerSecond } from "./read-binary.ts";
import { severalBudget, severalTimes } from "./several.ts";
import { benchVault, vaultCounts, vaultStarts } from "./vault.ts";

interface Row {
  readonly what: string;
  readonly figure: string;
  readonly budget: string;
  readonly kept: boolean;
}

const root = process.argv[2] ?? process.cwd();
const rounds = Number(process.argv[process.argv.indexOf("--rounds") + 1]) || 15;
const bin = join(root, "dist", "bin", "hsmadm.js");
const home = mkdtempSync(join(tmpdir(), "hsmadm-bench-"));
const node: Program = { command: process.execPath, args: ["-e", "0"] };
const rows: Row[] = [];
/** MiB of an age file, and how much longer than `age` it may take. */
const ageSizes: readonly (readonly [number, number])[] = process.argv.includes("--large")
  ? [
      [256, 2],
      [1024, 1.3],
    ]
  : [[256, 2]];

function coldStart(args: readonly string[], budget: number): void {
  const command: Program = {
    command: process.execPath,
    args: [bin, ...args],
    env: { HSMADM_HOME: home, HSMADM_SIMULATOR_SEED: "bench" },
  };
  start(`hsmadm ${args.join(" ")}`, budget, pairedRatio(command, node, rounds));
}

function start(what: string, budget: number, { ratio, aMs, bMs }: ReturnType<typeof pairedRatio>): void {
  rows.push({
    what: `start: ${what}`,
    figure: `${ratio.toFixed(2)}x node -e 0 (${aMs.toFixed(0)} ms / ${bMs.toFixed(0)} ms)`,
    budget: `<= ${budget.toFixed(1)}x`,
    kept: ratio <= budget,
  });
}

try {
  coldStart(["--version"], 1.5);
  coldStart(["--help"], 1.5);
  coldStart(["device", "status", "--device", "sim:bench"], 2.0);
  const vault = await benchVault(bin, home);
  for (const { what, budget, ...times } of vaultStarts(bin, vault, node, rounds)) start(what, budget, times);
  for (const count of [...(await apduCounts(root, home)), ...(await vaultCounts(root, home, vault))]) {
    rows.push({
      what: `APDUs: ${count.what}`,
      figure: `${count.ours} (${count.peer})`,
      budget: `<= ${count.budget}`,
      kept: count.ours <= count.budget,
    });
    for (const line of count.extra) rows.push({ what: `  ${line}`, figure: "", budget: "", kept: true });
  }
  const rate = await readBinaryPerSecond();
  rows.push({
    what: "simulator: READ BINARY in process",
    figure: `${Math.round(rate).toLocaleString("en")} a second`,
    budget: `>= ${readBinaryBudget.toLocaleString("en")}`,
    kept: rate >= readBinaryBudget,
  });
  const several = await severalTimes(rounds);
  rows.push({
    what: `${several.tokens} tokens in ${several.tokens} readers: device status`,
    figure: `${several.ratio.toFixed(2)}x the slowest (${several.allMs.toFixed(0)} ms / ${several.slowestMs.toFixed(0)} ms)`,
    budget: `<= ${severalBudget.toFixed(2)}x`,
    kept: several.ratio <= severalBudget,
  });
  for (const [mebibytes, budget] of ageSizes) {
    const figures = ageFigures(bin, vault, mebibytes, Math.min(rounds, 7));
    if (figures === null) rows.push({ what: "age files: left out, no age", figure: "", budget: "", kept: true });
    for (const { what, ratio, ourMs, ageMs } of figures ?? []) {
      rows.push({
        what: `age files: ${what}`,
        figure: `${ratio.toFixed(2)}x age (${ourMs.toFixed(0)} ms / ${ageMs.toFixed(0)} ms)`,
        budget: `<= ${budget.toFixed(1)}x`,
        kept: ratio <= budget,
      });
    }
  }
  const [small = 0, large = 0] = unsealMemory(bin, vault, [16, 256]);
  rows.push({
    what: "age files: memory of unseal 256 MiB",
    figure: `${large.toFixed(0)} MiB (16 MiB: ${small.toFixed(0)} MiB)`,
    budget: "<= 1.5x",
    kept: large <= 1.5 * small,
  });
  const dkek = await dkekFigures(1);
  rows.push(
    dkek === null
      ? {
          what: "DKEK share file: left out, no C compiler or OpenSSL headers for the peer",
          figure: "",
          budget: "",
          kept: true,
        }
      : {
          what: "DKEK share file: 30 million MD5",
          figure: `${dkek.ratio.toFixed(3)}x EVP_BytesToKey (${dkek.ours.toFixed(1)} s / ${dkek.peer.toFixed(1)} s)`,
          budget: "<= 0.27x",
          kept: dkek.ratio <= 0.27,
        },
  );
} finally {
  rmSync(home, { recursive: true, force: true });
}

const width = Math.max(...rows.map((row) => row.what.length));
for (const row of rows) {
  const verdict = row.budget === "" ? "" : `${row.budget.padEnd(12)} ${row.kept ? "kept" : "MISSED"}`;
  process.stdout.write(`${`${row.what.padEnd(width)}  ${row.figure.padEnd(42)}  ${verdict}`.trimEnd()}\n`);
}
if (rows.some((row) => !row.kept)) process.exitCode = 1;
