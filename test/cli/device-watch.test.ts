import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { tellEvents } from "../../src/cli/commands/device-watch.ts";
import { Output } from "../../src/cli/output.ts";
import type { ReaderEvent, ReaderInfo } from "../../src/transport/pcsc/reader-info.ts";
import { describeWith, missing, stackNeeds, withPcscd } from "../support/needs.ts";
import { bin, describeBuilt, Running } from "./support/built.ts";
import { violations } from "./support/json-schema.ts";
import { TestWorld } from "./support/test-io.ts";

const world = new TestWorld();
const schema = JSON.parse(
  readFileSync(new URL("../../docs/schema/device-watch.json", import.meta.url), "utf8"),
) as Record<string, unknown>;

const atr = Uint8Array.from([0x3b, 0xde, 0x18, 0xff]);
const reader = (name: string, state: ReaderInfo["state"], at: Uint8Array | null = null): ReaderInfo => ({
  name,
  state,
  atr: at,
});

const story: readonly ReaderEvent[] = [
  { change: "reader-added", reader: reader("R1", "empty") },
  { change: "card-inserted", reader: reader("R1", "present", atr) },
  { change: "card-removed", reader: reader("R1", "empty") },
  { change: "card-mute", reader: reader("R2 \u001b[2J", "mute") },
  { change: "card-inserted", reader: reader("R1", "in-use", null) },
  { change: "reader-gone", reader: reader("R1", "empty") },
  { change: "service-stopped" },
  { change: "service-started" },
];

async function told(json: boolean, only?: string, columns?: number): Promise<string[]> {
  let stdout = "";
  const sink = { write: (text: string) => (stdout += text), isTTY: columns !== undefined, columns };
  const io = { stdout: sink, stderr: { write: () => undefined }, now: () => new Date("2026-11-20T12:00:00Z") };
  const output = new Output(io as never, { json, quiet: false });
  const pcsc = {
    async *watch() {
      yield* story;
    },
  };
  await tellEvents({ io: io as never, output }, pcsc, new AbortController().signal, only);
  return stdout.split("\n").slice(0, -1);
}

describe("device watch", () => {
  test("a line for each event, for people", async () => {
    const lines = await told(false);
    expect(lines).toHaveLength(story.length);
    for (const line of lines) expect(line).toMatch(/^\d\d:\d\d:\d\d {2}\S/);
    expect(lines[1]).toContain("card inserted  R1");
    expect(lines[3]).toContain("R2 \uFFFD[2J");
    expect(lines[4]).toContain("another program holds it");
    expect(lines[6]).toContain("service has stopped");
  });

  test("a JSON document on each line, for programs", async () => {
    const lines = await told(true);
    expect(lines).toHaveLength(story.length);
    for (const line of lines) expect(violations(schema, JSON.parse(line)), line).toEqual([]);
    expect(JSON.parse(lines[1] ?? "")).toMatchObject({ event: "card-inserted", reader: "R1", atr: "3BDE18FF" });
    expect(JSON.parse(lines[6] ?? "")).toMatchObject({ event: "service-stopped", reader: null });
  });

  test("--device names the one reader to tell of; the service is told of always", async () => {
    const events = (await told(true, "R2 \u001b[2J")).map((line) => (JSON.parse(line) as { event: string }).event);
    expect(events).toEqual(["card-mute", "service-stopped", "service-started"]);
  });

  test("lines are broken between words on a narrow terminal", async () => {
    for (const line of await told(false, undefined, 40)) expect(line.length).toBeLessThanOrEqual(40);
  });

  test("a device that is in no reader is refused; the environment names devices of other commands", async () => {
    for (const device of ["sim:demo", "trace:x", "none"]) {
      const { code, stderr } = await world.run(["device", "watch", "--device", device]);
      expect(code, device).toBe(2);
      expect(stderr).toContain("readers");
    }
  });

  test("an error is one line too", async () => {
    const { stdout } = await world.run(["device", "watch", "--json", "--device", "sim:demo"]);
    expect(stdout.split("\n")).toHaveLength(2);
    expect(JSON.parse(stdout)).toMatchObject({ ok: false, command: "device watch", error: { exitCode: 2 } });
  });
});

const script = `
"$NODE" "$BIN" device watch --json >"$HSMADM_HOME/watched" & watch=$!
wait_for() { for _ in $(seq 200); do grep -q "$1" "$HSMADM_HOME/watched" && return; sleep 0.05; done; echo "no $1"; }
wait_for reader-added
"$NODE" "$BIN" simulator serve sim:w 2>/dev/null >/dev/null & serve=$!
wait_for card-inserted
kill $serve; wait $serve
wait_for card-removed
kill -INT $watch; wait $watch; echo "watch ended $?"
HSMADM_DEVICE=sim:w "$NODE" "$BIN" device watch --timeout 0.5 --quiet; echo "timeout ended $?"
`;

const needs = [...stackNeeds];
const suite =
  missing(...needs) === null ? describeBuilt : (name: string, body: () => void) => describeWith(needs, name, body);

suite("device watch on real readers", () => {
  test("tells of a card that comes and goes; Ctrl-C is 130, --timeout 0", { timeout: 60_000 }, async () => {
    const env = { ...process.env, HSMADM_HOME: world.home, NODE: process.execPath, BIN: bin };
    const { stdout } = await new Running(withPcscd, ["bash", "-c", script], { env }).ended;
    const lines = readFileSync(world.path("watched"), "utf8").trimEnd().split("\n");
    const events = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
    for (const event of events) expect(violations(schema, event)).toEqual([]);
    const cards = events.filter(({ event }) => String(event).startsWith("card-"));
    expect(cards.map(({ event }) => event)).toEqual(["card-inserted", "card-removed"]);
    expect(stdout).toContain("watch ended 130");
    expect(stdout).toMatch(/reader there {3}.*\n[\s\S]*timeout ended 0/);
  });
});
