import { statSync } from "node:fs";
import fc from "fast-check";
import { expect, test } from "vitest";
import { pathsFor } from "../../src/cli/paths.ts";
import { nearest } from "../../src/cli/suggest.ts";
import { printable } from "../../src/cli/terminal/printable.ts";
import { aligned, table } from "../../src/cli/wording.ts";
import { Officer } from "./support/officer.ts";
import { TestWorld } from "./support/test-io.ts";

const world = new TestWorld();
const officer = new Officer(world);

test("text from outside cannot steer a terminal", () => {
  fc.assert(fc.property(fc.string({ unit: "binary" }), (text) => !/[\p{Cc}\p{Cf}]/u.test(printable(text))));
  expect(printable("a\u001b[2Jb\nc\u202ed")).toBe("a\uFFFD[2Jb\uFFFDc\uFFFDd");
  expect(printable("Bürö 日本 ✓")).toBe("Bürö 日本 ✓");
});

test("data on stdout, everything else on stderr; --quiet keeps results, warnings and errors", async () => {
  const init = "device init --so-pin env:SO --pin env:PIN";
  const terminal = { onStderr: () => undefined };
  const loud = await officer.gets(0, `${init} --device sim:loud`, terminal);
  expect(loud.stderr).toContain("initialising");
  const piped = await officer.gets(0, `${init} --device sim:piped`);
  expect(piped.stderr).not.toContain("initialising");
  const quiet = await officer.gets(0, `${init} --device sim:quiet --quiet`, terminal);
  expect(quiet.stderr).toMatch(/^hsmadm: warning: .*keys can never leave.*\n$/);
  expect(quiet.stdout).toContain("operational");
  expect((await officer.gets(2, "device status --device none --quiet")).stderr).toContain("hsmadm: error:");
});

test("errors are one line and a hint, lower case, no full stop", async () => {
  for (const argv of [
    "device status --device none",
    "pin verify --device sim:x",
    "device status --device trace:/none",
    "nonsense",
  ]) {
    const { stderr, stdout } = await officer.does(argv);
    expect(stdout).toBe("");
    expect(stderr).toMatch(/^hsmadm: error: .*[^.\n]\n(hsmadm: hint: .*[^.\n]\n)*$/);
  }
});

test("HSMADM_HOME, else the XDG folders, made for the user alone", async () => {
  const homeFolder = "/home/o";
  expect(pathsFor({ env: { HSMADM_HOME: "/h" }, homeFolder })).toMatchObject({
    state: "/h",
    config: "/h",
    ledger: "/h/ledger.json",
  });
  expect(pathsFor({ env: {}, homeFolder })).toMatchObject({
    state: "/home/o/.local/state/hsmadm",
    config: "/home/o/.config/hsmadm",
  });
  const xdg = { XDG_STATE_HOME: "/s", XDG_CONFIG_HOME: "relative" };
  expect(pathsFor({ env: xdg, homeFolder })).toMatchObject({ state: "/s/hsmadm", config: "/home/o/.config/hsmadm" });
  expect(() => pathsFor({ env: { HSMADM_HOME: "here" }, homeFolder })).toThrow("not an absolute path");
  const home = world.path("deep/home");
  await officer.gets(0, "device status --device sim:p", { env: { HSMADM_HOME: home } });
  for (const folder of [home, `${home}/simulator`]) expect(statSync(folder).mode & 0o777).toBe(0o700);
  expect(statSync(`${home}/simulator/p.json`).mode & 0o777).toBe(0o600);
});

test("HSMADM_DEVICE stands in for --device, which wins", async () => {
  const env = { HSMADM_DEVICE: "sim:from-env" };
  expect((await officer.gets(0, "pin status --json", { env })).stdout).toContain('"sim:from-env"');
  expect((await officer.gets(0, "pin status --json --device sim:given", { env })).stdout).toContain('"sim:given"');
});

test("tables and suggestions", () => {
  expect(
    aligned([
      ["a", "1"],
      ["long", ""],
    ]),
  ).toEqual(["a     1", "long"]);
  expect(
    table([
      ["A", "B"],
      ["aaa", ""],
      ["", "b"],
    ]),
  ).toEqual(["A    B", "aaa", "     b"]);
  expect(nearest("stauts", ["status", "list"])).toBe("status");
  expect(nearest("zzz", ["status", "list"])).toBeUndefined();
});
