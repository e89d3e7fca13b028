import { spawn } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { repeatableWorld } from "../../src/simulator/repeatable-world.ts";
import { openTokenFile } from "../../src/simulator/token-store.ts";
import { serveVpcd, vpcdPort } from "../../src/simulator/vpcd.ts";
import { defaultWorld } from "../../src/simulator/world.ts";
import type { Plan, StepResult } from "./stack.ts";

/**
 * Runs inside test/support/with-pcscd: puts the plan's tokens into the virtual readers, runs its commands one after
 * the other, and writes what they said. Bundled by stack.ts, as Node 20 does not read TypeScript.
 */
const [planPath = "", resultPath = ""] = process.argv.slice(2);
const plan = JSON.parse(readFileSync(planPath, "utf8")) as Plan;
const end = new AbortController();
// sc-hsm-tool derives the key of a share file for 20 s of CPU time, of which a busy machine has little.
const stepTimeoutMs = 240_000;
const readerNames = ["Virtual PCD 00 00", "Virtual PCD 00 01"];

const served = await Promise.all(
  plan.tokens.map(async ({ path, profile, seed }, index) => {
    const world = seed === undefined ? defaultWorld() : repeatableWorld(seed);
    const channel = await openTokenFile(path, { world, profile, create: true });
    const service = serveVpcd(channel.token, { port: vpcdPort + index, signal: end.signal });
    return { channel, service };
  }),
);
const results: StepResult[] = [];
for (const index of plan.tokens.keys()) await seen(readerNames[index] ?? "");
for (const step of plan.steps) results.push(await run(step));
writeFileSync(
  resultPath,
  JSON.stringify({ results, faults: served.map(({ channel }) => describe(channel.token.lastFault)) }),
);
end.abort();
for (const { channel, service } of served) {
  await service;
  await channel.close();
}

/** Comes back when pcscd has noticed the card, which it does by looking from time to time. */
async function seen(reader: string): Promise<void> {
  const most = 400;
  for (let i = 0; i < most; i++) {
    const { exit } = await run(["opensc-tool", "--reader", reader, "--atr"]);
    if (exit === 0) return;
  }
  throw new Error(`pcscd does not see the card in ${reader}`);
}

function describe(fault: unknown): string | null {
  return fault === undefined ? null : String(fault instanceof Error ? fault.stack : fault);
}

function run([program = "", ...args]: readonly string[]): Promise<StepResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { cwd: plan.folder, stdio: ["ignore", "pipe", "pipe"], timeout: stepTimeoutMs });
    let stdout = "";
    let stderr = "";
    child.stdout.on("data", (bytes: Uint8Array) => {
      stdout += new TextDecoder().decode(bytes);
    });
    child.stderr.on("data", (bytes: Uint8Array) => {
      stderr += new TextDecoder().decode(bytes);
    });
    child.on("error", reject);
    child.on("close", (exit, signal) => resolve({ exit: exit ?? String(signal), stdout, stderr }));
  });
}
