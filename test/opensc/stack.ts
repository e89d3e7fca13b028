import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { build } from "esbuild";
import type { ProfileName } from "../../src/simulator/profile.ts";
import { withPcscd } from "../support/needs.ts";

/** A session of other people's programs with simulated tokens, through pcscd and vpcd. */
export interface Plan {
  /** Working folder of the commands; files they write are there afterwards. */
  readonly folder: string;
  readonly tokens: readonly { readonly path: string; readonly profile: ProfileName; readonly seed?: string }[];
  /** Argument vectors. */
  readonly steps: readonly (readonly string[])[];
}

export interface StepResult {
  /** Exit code, or the name of the signal that ended it. */
  readonly exit: number | string;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Stack {
  readonly folder: string;
  run(tokens: readonly Token[], steps: readonly (readonly string[])[]): Promise<StepResult[]>;
  remove(): void;
}

export interface Token {
  readonly name: string;
  readonly profile: ProfileName;
  readonly seed?: string;
}

/** A folder for tokens and files, and a way to run commands against them. Call `remove` at the end. */
export async function makeStack(): Promise<Stack> {
  const runner = await bundledRunner();
  const folder = mkdtempSync(join(tmpdir(), "hsmadm-opensc-"));
  return {
    folder,
    async run(tokens, steps) {
      const plan: Plan = {
        folder,
        steps,
        tokens: tokens.map(({ name, ...rest }) => ({ path: join(folder, `${name}.json`), ...rest })),
      };
      const planPath = join(folder, "plan");
      const resultPath = join(folder, "result");
      writeFileSync(planPath, JSON.stringify(plan));
      await promisify(execFile)(withPcscd, [process.execPath, runner, planPath, resultPath], { timeout: 480_000 });
      const { results, faults } = JSON.parse(readFileSync(resultPath, "utf8")) as {
        results: StepResult[];
        faults: (string | null)[];
      };
      for (const fault of faults) if (fault !== null) throw new Error(`the simulator failed inside: ${fault}`);
      return results;
    },
    remove: () => {
      rmSync(folder, { recursive: true });
      rmSync(dirname(runner), { recursive: true });
    },
  };
}

/** Beside our own modules, where the bundle finds the packages that it loads when it needs them. */
async function bundledRunner(): Promise<string> {
  const cache = fileURLToPath(new URL("../../node_modules/.cache/hsmadm-test/", import.meta.url));
  mkdirSync(cache, { recursive: true });
  const outfile = join(mkdtempSync(join(cache, "stack-")), "runner.mjs");
  await build({
    entryPoints: [fileURLToPath(new URL("stack-runner.ts", import.meta.url))],
    bundle: true,
    platform: "node",
    format: "esm",
    packages: "external",
    outfile,
    logLevel: "error",
  });
  return outfile;
}
