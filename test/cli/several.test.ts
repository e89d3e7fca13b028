import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { beforeAll, describe, expect, test } from "vitest";
import { parseDeviceSpec, splitDevices } from "../../src/cli/devices/device-spec.ts";
import type { CliIo } from "../../src/cli/io.ts";
import { Output } from "../../src/cli/output.ts";
import { reportSeveral } from "../../src/cli/several/several-report.ts";
import type { DeviceRow } from "../../src/cli/several/several-run.ts";
import { HsmError } from "../../src/errors.ts";
import { violations } from "./support/json-schema.ts";
import { Officer } from "./support/officer.ts";
import { TestWorld } from "./support/test-io.ts";

const docs = fileURLToPath(new URL("../../docs/", import.meta.url));
const world = new TestWorld();
const officer = new Officer(world);

interface Row {
  readonly asked: string | null;
  readonly ok: boolean;
  readonly where: string;
  readonly device: { serial: string; state: string } | null;
  readonly error: { kind: string; exitCode: number; code: string; message: string } | null;
}

/** The document of a command with several tokens, which fits its schema. */
async function rowsOf(code: number, argv: string) {
  const document = await officer.document(code, argv);
  const command = String(document["command"]).replaceAll(" ", "-");
  const schema = JSON.parse(readFileSync(`${docs}schema/${command}.json`, "utf8")) as Record<string, unknown>;
  expect(violations(schema, document), argv).toEqual([]);
  return document as { ok: boolean; devices: Row[]; error: Row["error"] };
}

beforeAll(async () => {
  await officer.initialised("a");
  await officer.initialised("b", "--retries 5");
  writeFileSync(world.path("simulator/broken.json"), "{}");
});

describe("device status of several tokens", () => {
  test("one row for each in the order of the command line, one document", async () => {
    const { ok, devices, error } = await rowsOf(0, "device status --device sim:b,sim:new,sim:a");
    expect(ok).toBe(true);
    expect(error).toBeNull();
    expect(devices.map((row) => [row.asked, row.ok, row.device?.state])).toEqual([
      ["sim:b", true, "operational"],
      ["sim:new", true, "uninitialised"],
      ["sim:a", true, "operational"],
    ]);
    const { stdout, stderr } = await officer.gets(0, "device status --device sim:b --device sim:a");
    expect(stdout).toMatch(/^TOKEN .*\nUTSIM\S+ +b +operational +5 left +15 left +SIMULATED sim:b\nUTSIM\S+ +a .*\n$/);
    expect(stderr).toBe("");
  });

  test("$HSMADM_DEVICE may name several too", async () => {
    const { stdout } = await officer.gets(0, "device status", { env: { HSMADM_DEVICE: "sim:a,sim:b" } });
    expect(stdout.split("\n")).toHaveLength(4);
  });

  test("some failed: 13, the others' rows are told, and each failing row tells its error", async () => {
    const argv = "device status --device sim:a,sim:broken,sim:b";
    const { ok, devices, error } = await rowsOf(13, argv);
    expect(ok).toBe(false);
    expect(devices.map((row) => row.error?.code ?? row.device?.state)).toEqual([
      "operational",
      "TOKEN_FILE_INVALID",
      "operational",
    ]);
    expect(error).toMatchObject({ kind: "partial", exitCode: 13, message: "1 of 3 tokens failed: sim:broken" });
    const { stdout, stderr } = await officer.gets(13, argv);
    expect(stdout).toMatch(/^sim:broken +ERROR: /m);
    expect(stdout).toMatch(/sim:b$/m);
    expect(stderr).toContain("hsmadm: error: sim:broken: ");
    expect(stderr).toContain("hsmadm: hint: ");
    expect(stderr).toMatch(/hsmadm: error: 1 of 3 tokens failed: sim:broken\n$/);
  });

  test("all failed: the kind they have in common, else 13", async () => {
    writeFileSync(world.path("simulator/broken2.json"), "[]");
    const { devices, error } = await rowsOf(9, "device status --device sim:broken,sim:broken2");
    expect(devices.map((row) => row.error?.exitCode)).toEqual([9, 9]);
    expect(error).toMatchObject({ kind: "check-failed", exitCode: 9, code: "ALL_FAILED" });
    const lock = world.path("simulator/a.json.lock");
    writeFileSync(lock, JSON.stringify({ pid: process.pid, began: null }));
    const mixed = await rowsOf(13, "device status --device sim:broken,sim:a");
    expect(mixed.devices.map((row) => row.error?.exitCode)).toEqual([9, 11]);
    rmSync(lock);
  });

  test("a token named twice, and what names none: usage, and nothing was touched", async () => {
    for (const devices of [
      "sim:t,sim:t",
      "sim:t --device sim:t",
      "sim:t,",
      "sim:t,,sim:b",
      "sim:t,none",
      "auto,sim:t",
      "sim:t,sim:../x",
      "sim:t --all --device DENK0105213",
      `trace:${world.path("x")},trace:${world.home}/./x`,
      `sim:t,trace:${world.path("missing.apdu")}`,
    ]) {
      await officer.gets(2, `device status --device ${devices}`);
      await officer.gets(2, `guard --device ${devices} -- echo never`);
    }
    expect(existsSync(world.path("simulator/t.json"))).toBe(false);
  });

  test("other verbs still work on one token", async () => {
    await officer.gets(2, "pin status --device sim:a,sim:b");
    await officer.gets(2, "pin status --device sim:a --device sim:b");
    await officer.gets(2, "device init --all");
  });

  test("a terminal's rows are not longer than it is wide; the whole error is on standard error", () => {
    let stdout = "";
    let stderr = "";
    const io = {
      stdout: { write: (text: string) => (stdout += text), isTTY: true, columns: 40 },
      stderr: { write: (text: string) => (stderr += text) },
    };
    const output = new Output(io as unknown as CliIo, { json: false, quiet: false });
    const error = new HsmError("X", "device", `a long story ${"that goes on ".repeat(9)}and ends`);
    const rows: DeviceRow<string>[] = [
      { asked: null, where: 'reader "Long Name Of A Reader 00 00"', ok: true, result: "UTSIM000001" },
      { asked: "payroll", where: "payroll", ok: false, error },
    ];
    const shape = { facts: () => ({}), nothing: {}, heading: ["TOKEN", "WHERE"] };
    const cells = (serial: string) => [serial, 'reader "Long Name Of A Reader 00 00"'];
    const several = { rows, leftOut: [], failure: new HsmError("SOME_FAILED", "partial", "1 of 2 tokens failed") };
    expect(reportSeveral({ output }, several, { ...shape, cells })).toBe(13);
    output.flush("device list", 13);
    expect(stdout.match(/\n/g)).toHaveLength(3);
    for (const line of stdout.split("\n")) expect(line.length).toBeLessThanOrEqual(40);
    expect(stdout).toMatch(/^payroll +ERROR: a long story/m);
    expect(stderr).toContain("and ends\n");
  });
});

describe("device list of several tokens", () => {
  test("a row for each named one; $HSMADM_DEVICE changes nothing", async () => {
    const { devices } = await rowsOf(0, "device list --device sim:a,sim:b");
    expect(devices).toMatchObject([
      { asked: "sim:a", label: "a", simulated: true },
      { asked: "sim:b", label: "b", simulated: true },
    ]);
    expect((await rowsOf(0, "device list --device sim:a")).devices).toHaveLength(1);
    const { stdout } = await officer.does("device list", { env: { HSMADM_DEVICE: "sim:a,sim:a" } });
    expect(stdout).toContain("SIMULATED TOKEN");
  });

  test("some failed: 13", async () => {
    const { devices } = await rowsOf(13, "device list --device sim:a,sim:broken");
    expect(devices[1]).toMatchObject({ asked: "sim:broken", ok: false, serial: null });
  });
});

describe("guard of several tokens", () => {
  const guard = (argv: string, name: string, code = 0) =>
    world.run([...argv.split(" "), "--", "/bin/sh", "-c", `echo ran >> ${world.path(name)}; exit ${code}`]);

  test("all pass: COMMAND runs once and its exit code counts; no lock is held", async () => {
    expect((await guard("guard --device sim:a,sim:b", "once", 7)).code).toBe(7);
    expect(readFileSync(world.path("once"), "utf8")).toBe("ran\n");
    const locks = `test ! -e ${world.path("simulator/a.json.lock")} -a ! -e ${world.path("simulator/b.json.lock")}`;
    expect((await world.run(["guard", "--device", "sim:a,sim:b", "--", "/bin/sh", "-c", locks])).code).toBe(0);
  });

  test("without COMMAND it only judges, a line for each", async () => {
    const { devices } = await rowsOf(0, "guard --device sim:a,sim:b");
    expect(devices).toMatchObject([{ allowed: true }, { allowed: true }]);
    const { stdout } = await officer.gets(0, "guard --device sim:a,sim:b");
    expect(stdout.match(/: allowed \(/g)).toHaveLength(2);
    await rowsOf(0, "guard --device sim:a,sim:b --dry-run");
  });

  test("one that does not pass: 5 or --refused-exit, COMMAND is not run, and the refusal names the token", async () => {
    await officer.initialised("few");
    for (const pin of ["WRONG", "WRONG2"]) await officer.gets(4, `pin verify --device sim:few --pin env:${pin}`);
    const { serial } = (await rowsOf(0, "device status --device sim:few,sim:a")).devices[0]?.device ?? {};
    const refused = await guard("guard --device sim:a,sim:few,sim:b", "never");
    expect(refused.code).toBe(5);
    expect(refused.stdout).toBe("");
    expect(refused.stderr).toContain(
      `guard: refused: sim:few, ${serial} (SIMULATED): the user PIN has 1 try left, the floor is 2\n`,
    );
    expect((await guard("guard --device sim:few,sim:a --refused-exit 42", "never")).code).toBe(42);
    const document = await officer.document(5, "guard --device sim:a,sim:few,sim:broken");
    expect(document).toMatchObject({
      ok: false,
      error: { kind: "refused", details: { devices: [{ allowed: true }, { allowed: false }, { allowed: false }] } },
    });
    expect(existsSync(world.path("never"))).toBe(false);
  });

  test("one that cannot be read, alone or among others, is a refusal", async () => {
    for (const devices of ["sim:broken,sim:a", "sim:a,sim:broken", "sim:broken,sim:broken2", "sim:a,sim:new2"]) {
      const { code, stderr } = await guard(`guard --device ${devices}`, "never");
      expect(code, devices).toBe(5);
      expect(stderr, devices).toMatch(/^guard: refused: sim:(broken|new2)/m);
    }
    expect(existsSync(world.path("never"))).toBe(false);
  });
});

describe("a trace of several tokens", () => {
  test("one file with a connection for each; it replays with the same rows, whatever the command", async () => {
    for (const command of ["device status", "device list", "guard"]) {
      const file = world.path(`${command.replace(" ", "-")}.apdu`);
      const live = await rowsOf(0, `${command} --device sim:a,sim:b --trace ${file}`);
      const text = readFileSync(file, "utf8");
      expect(text.match(/^! connect .*$/gm)).toEqual(["! connect sim:a", "! connect sim:b"]);
      const replayed = await rowsOf(0, `${command} --device trace:${file}`);
      const facts = (rows: readonly Row[]) =>
        rows.map((row) => JSON.stringify(row).replaceAll(/"(asked|where)":"[^"]*",/g, ""));
      expect(facts(replayed.devices)).toEqual(facts(live.devices));
    }
  });

  test("both are open at the same time: the second is connected before the first is closed", async () => {
    const text = readFileSync(world.path("device-status.apdu"), "utf8");
    expect(text.lastIndexOf("! connect ")).toBeLessThan(text.indexOf("! close"));
    expect(text).toMatch(/^! connection 1$/m);
  });

  test("beside a live token, and with what failed on the way", async () => {
    const file = world.path("device-status.apdu");
    const { devices } = await rowsOf(0, `device status --device trace:${file},sim:a`);
    expect(devices.map((row) => row.device?.serial)).toEqual([0, 1, 0].map((i) => devices[i]?.device?.serial));
    const failed = world.path("failed.apdu");
    await rowsOf(13, `device status --device sim:a,sim:broken --trace ${failed}`);
    await rowsOf(13, `device status --device trace:${failed},sim:broken`);
  });

  test("cut, or longer than the command: 9, as the one error it is", async () => {
    const text = readFileSync(world.path("device-status.apdu"), "utf8");
    const longer = world.path("longer.apdu");
    writeFileSync(longer, `${text}! connect nobody\n! atr 3B 00\n> 00 84 00 00 08\n< 90 00\n! close\n`);
    await officer.gets(9, `device status --device trace:${longer}`);
    await officer.gets(5, `guard --device trace:${world.path("device-list.apdu")} -- echo never`);
    const used = world.path("used.apdu");
    writeFileSync(used, text.replace(/! close\n/, "> 00 84 00 00 08\n< 90 00\n! close\n"));
    const { stdout } = await officer.gets(9, `device status --device trace:${used} --json`);
    expect(JSON.parse(stdout)).toMatchObject({ ok: false, error: { code: "TRACE_NOT_USED_UP" } });
  });

  test("an existing file is a conflict before any card is touched", async () => {
    const file = world.path("there.apdu");
    writeFileSync(file, "mine");
    await officer.gets(8, `device status --device sim:untouched,sim:a --trace ${file}`);
    expect(existsSync(world.path("simulator/untouched.json"))).toBe(false);
  });
});

describe("--device A,B", () => {
  test.each([
    ["A,B", ["A", "B"]],
    ["A, B", ["A", "B"]],
    ["sim:a,pcsc:Reader, with comma 00,sim:b", ["sim:a", "pcsc:Reader, with comma 00", "sim:b"]],
    ["trace:/tmp/a, b.apdu", ["trace:/tmp/a, b.apdu"]],
    ["trace:a,b,trace:c", ["trace:a,b", "trace:c"]],
    ["A,pcsc:R,B", ["A", "pcsc:R,B"]],
    ["A,,B", ["A", "", "B"]],
  ])("%s", (text, expected) => {
    expect(splitDevices(text)).toEqual(expected);
  });

  test("each of them alone is one device", () => {
    for (const word of splitDevices("sim:a,pcsc:Reader, with comma 00,trace:x,y,DENK0105213")) {
      expect(() => parseDeviceSpec(word)).not.toThrow();
    }
  });
});

test("docs/several-tokens.md shows what is printed", async () => {
  const seeded = new TestWorld();
  const told = new Officer(seeded);
  const env = { HSMADM_SIMULATOR_SEED: "docs" };
  const init = "--so-pin env:SO --pin env:PIN --dkek-shares";
  await told.gets(0, `device init --device sim:payroll --label payroll ${init} none`, { env });
  await told.gets(0, `device init --device sim:archive --label archive ${init} 2`, { env });
  for (const pin of ["WRONG", "WRONG2"])
    await told.gets(4, `pin verify --device sim:payroll --pin env:${pin}`, { env });
  writeFileSync(seeded.path("simulator/damaged.json"), "{}");
  const page = readFileSync(`${docs}several-tokens.md`, "utf8");
  let commands = 0;
  for (const [, block = ""] of page.matchAll(/^```console\n([\s\S]*?)^```$/gm)) {
    let printed = "";
    for (const [line, argv = ""] of block.matchAll(/^\$ hsmadm (.+)$/gm)) {
      const { stdout, stderr } = await told.does(argv, { env });
      printed += `${line}\n${stderr}${stdout}`;
      commands += 1;
    }
    expect(block).toBe(printed);
  }
  expect(commands).toBe(3);
});
