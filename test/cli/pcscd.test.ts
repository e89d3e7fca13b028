import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { describeWith, missing, stackNeeds, withPcscd } from "../support/needs.ts";
import { bin, describeBuilt, Running } from "./support/built.ts";
import { secretEnv } from "./support/officer.ts";
import { TestWorld } from "./support/test-io.ts";

const world = new TestWorld();
const story = fileURLToPath(new URL("support/pcscd-story.sh", import.meta.url));

interface Step {
  readonly code: number;
  readonly out: string;
}

/** Runs the story in a namespace with a pcscd and vpcd readers of its own; one step for each named command of it. */
async function tell(): Promise<Map<string, Step>> {
  const env = { ...process.env, ...secretEnv, HSMADM_HOME: world.home, NODE: process.execPath, BIN: bin };
  const ended = await new Running(withPcscd, ["bash", story], { env }).ended;
  const steps = new Map<string, Step>();
  for (const match of ended.stdout.matchAll(/^=== (.+)\n([\s\S]*?)^--- (\d+)$/gm)) {
    steps.set(match[1] ?? "", { out: match[2] ?? "", code: Number(match[3]) });
  }
  if (steps.size === 0) throw new Error(`the story told nothing: ${ended.stdout}${ended.stderr}`);
  return steps;
}

const suite =
  missing(...stackNeeds, "sc-hsm-tool") === null
    ? describeBuilt
    : (name: string, body: () => void) => describeWith([...stackNeeds, "sc-hsm-tool"], name, body);

suite("hsmadm through pcscd and vpcd readers", () => {
  test("two tokens are told apart, one is initialised, and sc-hsm-tool reads the same", {
    timeout: 120_000,
  }, async () => {
    const steps = await tell();
    const step = (name: string): Step => steps.get(name) ?? { code: -1, out: `no step ${name}` };

    expect(step("list").code).toBe(0);
    const { readers } = JSON.parse(step("list").out) as { readers: { serial: string; simulated: boolean }[] };
    expect(readers).toHaveLength(2);
    expect(new Set(readers.map(({ serial }) => serial)).size).toBe(2);
    expect(readers.every(({ simulated }) => simulated)).toBe(true);

    expect(step("status of none named")).toMatchObject({ code: 3 });
    for (const { serial } of readers) expect(step("status of none named").out).toContain(serial);

    expect(step("init by serial").code).toBe(0);
    expect(step("status by label").code).toBe(0);
    expect(step("status by label").out).toMatch(/State +operational/);
    expect(step("status by label").out).toContain("SIMULATED");
    expect(step("init by label with --yes").code).toBe(2);
    expect(step("wrong PIN").code).toBe(4);
    expect(step("same wrong PIN").code).toBe(5);

    const scHsmTool = step("sc-hsm-tool").out;
    expect(scHsmTool).toMatch(/Version +: 4\.1/);
    expect(scHsmTool).toMatch(/SO-PIN tries left +: 15/);
    expect(scHsmTool).toMatch(/User PIN tries left +: 2/);

    expect(step("guard")).toEqual({ code: 7, out: "guarded\n" });
    expect(step("guard of nothing").code).toBe(5);
    expect(step("doctor").code).toBe(0);
    expect(step("replay").code).toBe(0);
    expect(step("silent").code).toBe(12);
  });
});
