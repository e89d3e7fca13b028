import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { readDeviceCache, rememberDevices } from "../../src/cli/devices/device-cache.ts";
import { pathsFor } from "../../src/cli/paths.ts";
import { Officer } from "./support/officer.ts";
import { TestWorld } from "./support/test-io.ts";

const world = new TestWorld();
const at = (name: string) => ({ paths: pathsFor({ env: { HSMADM_HOME: world.path(name) }, homeFolder: world.home }) });
const seen = (serial: string, label: string | null = null, where = 'reader "R"') => ({ where, serial, label });

describe("the cache of devices", () => {
  test("keeps what was seen in readers, the latest first, each token once", async () => {
    const here = at("kept");
    await rememberDevices(here, [seen("A", "old"), seen("B")]);
    await rememberDevices(here, [seen("A", "new", 'reader "other"')]);
    expect(readDeviceCache(here.paths.devices)).toEqual([
      { serial: "A", label: "new", reader: "other" },
      { serial: "B", label: null, reader: "R" },
    ]);
    expect(statSync(here.paths.devices).mode & 0o777).toBe(0o600);
  });

  test("several at once lose none", async () => {
    const here = at("parallel");
    await Promise.all(["A", "B", "C", "D"].map((serial) => rememberDevices(here, [seen(serial)])));
    expect(readDeviceCache(here.paths.devices).map(({ serial }) => serial)).toEqual(["D", "C", "B", "A"]);
  });

  test("nothing of simulated tokens, traces, or what has no serial", async () => {
    const here = at("none");
    await rememberDevices(here, [
      seen("A", "x", "sim:demo"),
      seen("B", "x", "trace:f, connection 1"),
      { ...seen("C"), serial: null },
    ]);
    expect(existsSync(here.paths.devices)).toBe(false);
  });

  test("names that would not stand on one line are left out", async () => {
    const here = at("odd");
    await rememberDevices(here, [seen("A\nB"), seen("C", "l\u001b[2J"), seen("D", "x".repeat(300)), seen("E", "fine")]);
    expect(readDeviceCache(here.paths.devices)).toEqual([{ serial: "E", label: "fine", reader: "R" }]);
  });

  test("it does not grow for ever", async () => {
    const here = at("many");
    for (let i = 0; i < 70; i++) await rememberDevices(here, [seen(`S${i}`)]);
    const kept = readDeviceCache(here.paths.devices);
    expect([kept.length, kept[0]?.serial]).toEqual([64, "S69"]);
  });

  test("a cache that cannot be written or read is no error", async () => {
    // A file where the folder should be keeps root out too.
    writeFileSync(world.path("file"), "");
    await rememberDevices(at("file/below"), [seen("A")]);
    expect(readDeviceCache(at("file/below").paths.devices)).toEqual([]);

    const folder = at("folder");
    mkdirSync(folder.paths.devices, { recursive: true });
    await rememberDevices(folder, [seen("A")]);
    expect(readDeviceCache(folder.paths.devices)).toEqual([]);
  });

  test("any content is read as what makes sense in it", () => {
    const file = world.path("any.json");
    const device = fc.record({ serial: fc.anything(), label: fc.anything(), reader: fc.anything() });
    const document = fc.record({
      version: fc.constantFrom(1, 2, "1"),
      devices: fc.oneof(fc.array(device), fc.anything()),
    });
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          document.map((value) => JSON.stringify(value)),
        ),
        (text) => {
          writeFileSync(file, text ?? "");
          for (const { serial, reader } of readDeviceCache(file))
            expect(typeof serial + typeof reader).toBe("stringstring");
        },
      ),
    );
    writeFileSync(file, `{"version":1,"devices":[],"x":"${"x".repeat(70_000)}"}`);
    expect(readDeviceCache(file)).toEqual([]);
  });
});

test("commands on simulated tokens leave no cache, and need none that can be written", async () => {
  const officer = new Officer(world);
  await officer.initialised("quiet");
  await officer.gets(0, "device status --device sim:quiet");
  expect(existsSync(world.path("devices.json"))).toBe(false);
  mkdirSync(world.path("devices.json"));
  chmodSync(world.path("devices.json"), 0o500);
  const { stderr } = await officer.gets(0, "device status --device sim:quiet");
  expect(stderr).toBe("");
  rmSync(world.path("devices.json"), { recursive: true });
  expect(readFileSync(world.path("simulator/quiet.json"), "utf8")).toContain("{");
});
