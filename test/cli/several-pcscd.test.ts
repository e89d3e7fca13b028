import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { describeWith, missing, stackNeeds, withPcscd } from "../support/needs.ts";
import { bin, describeBuilt, Running } from "./support/built.ts";
import { secretEnv } from "./support/officer.ts";
import { TestWorld } from "./support/test-io.ts";

const world = new TestWorld();
const story = fileURLToPath(new URL("support/several-story.sh", import.meta.url));

interface Step {
  readonly code: number;
  readonly out: string;
}

interface Row {
  readonly asked: string | null;
  readonly ok: boolean;
  readonly where: string;
  readonly device: { serial: string; state: string } | null;
  readonly error: { kind: string } | null;
}

/** Runs the story in a namespace with a pcscd and two vpcd readers of its own. */
async function tell(): Promise<(name: string) => Step> {
  const env = { ...process.env, ...secretEnv, HSMADM_HOME: world.home, NODE: process.execPath, BIN: bin };
  const ended = await new Running(withPcscd, ["bash", story], { env }).ended;
  const steps = new Map<string, Step>();
  for (const match of ended.stdout.matchAll(/^=== (.+)\n([\s\S]*?)^--- (\d+)$/gm)) {
    steps.set(match[1] ?? "", { out: match[2] ?? "", code: Number(match[3]) });
  }
  if (steps.size === 0) throw new Error(`the story told nothing: ${ended.stdout}${ended.stderr}`);
  return (name) => steps.get(name) ?? { code: -1, out: `no step ${name}` };
}

function rowsOf({ out }: Step): Row[] {
  return (JSON.parse(out) as { devices: Row[] }).devices;
}

const suite =
  missing(...stackNeeds) === null
    ? describeBuilt
    : (...args: Parameters<typeof describeBuilt>) => describeWith(stackNeeds, ...args);

suite("several tokens through pcscd and vpcd readers", () => {
  test("both are worked on at once, none twice, and all are given back", { timeout: 120_000 }, async () => {
    const step = await tell();

    expect(step("status of all").code).toBe(0);
    const all = rowsOf(step("status of all"));
    expect(all.map(({ asked, ok }) => [asked, ok])).toEqual(Array(2).fill([null, true]));
    const [first, second] = all.map(({ device }) => device?.serial);
    expect(first).not.toBe(second);

    // Two real connections at the same time, in one file.
    const trace = readFileSync(world.path("all.apdu"), "utf8");
    expect(trace.match(/^! connect reader "/gm)).toHaveLength(2);
    expect(trace.lastIndexOf("! connect ")).toBeLessThan(trace.indexOf("! close"));
    expect(step("replay").code).toBe(0);
    expect(rowsOf(step("replay")).map(({ device }) => device?.serial)).toEqual([first, second]);

    expect(step("list of all").code).toBe(0);
    expect(step("list of all").out.match(/SIMULATED/g)).toHaveLength(2);

    expect(
      rowsOf(step("named"))
        .map(({ device }) => device?.serial)
        .slice(0, 2),
    ).toEqual([second, first]);
    expect(rowsOf(step("named"))[2]).toMatchObject({ asked: "sim:three", ok: true });
    expect(step("named twice")).toMatchObject({ code: 2 });
    expect(step("named twice").out).toContain(`as ${first} and as `);
    expect(step("named twice, guard")).toMatchObject({ code: 2 });

    expect(step("guard of all, uninitialised").code).toBe(5);
    for (const serial of [first, second]) {
      expect(step("guard of all, uninitialised").out).toContain(`guard: refused: ${serial} (SIMULATED): `);
    }
    expect(step("init 0").code).toBe(0);
    expect(step("init 1").code).toBe(0);
    expect(step("guard of all")).toEqual({ code: 7, out: "guarded\n" });
    expect(step("by label").code).toBe(0);
    expect(step("by label").out.match(/operational/g)).toHaveLength(2);

    expect(step("one is not there").code).toBe(13);
    expect(rowsOf(step("one is not there"))).toMatchObject([
      { ok: true },
      { asked: "nobody", error: { kind: "device" } },
    ]);

    expect(step("one is silent").code).toBe(13);
    expect(
      rowsOf(step("one is silent"))
        .map(({ ok, error }) => (ok ? "read" : error?.kind))
        .sort(),
    ).toEqual(["read", "timeout"]);
    expect(step("guard, one is silent").code).toBe(5);
    expect(step("guard, one is silent").out).not.toContain("never\n");

    expect(step("stopped").code).toBe(130);
    expect(step("exclusively afterwards").code).toBe(0);
    expect(step("exclusively afterwards, the other").code).toBe(0);
  });
});
