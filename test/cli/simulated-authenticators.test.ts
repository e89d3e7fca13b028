import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import type { CommandContext } from "../../src/cli/context.ts";
import { openSimulatedAuthenticator } from "../../src/cli/devices/simulated-authenticator.ts";
import { violations } from "./support/json-schema.ts";
import { Officer } from "./support/officer.ts";
import { TestWorld, TypingPerson } from "./support/test-io.ts";

const world = new TestWorld();
const officer = new Officer(world);
const stateOf = (name: string) => world.path(`simulator/${name}.fido2`);

function schemaOf(name: string): Record<string, unknown> {
  const url = new URL(`../../docs/schema/${name.replaceAll(" ", "-")}.json`, import.meta.url);
  return JSON.parse(readFileSync(url, "utf8")) as Record<string, unknown>;
}

describe("sim-fido:NAME among the simulator's verbs", () => {
  test("is made, listed, reset and removed beside an HSM of the same name", async () => {
    expect(await officer.document(0, "simulator create sim-fido:twin")).toMatchObject({
      kind: "fido2",
      name: "twin",
      device: "sim-fido:twin",
      profile: "standard",
      serial: null,
      initialised: null,
      pinSet: false,
    });
    expect(statSync(stateOf("twin")).mode & 0o777).toBe(0o600);
    await officer.gets(0, "simulator create twin");
    const { stdout } = await officer.gets(0, "simulator list");
    expect(stdout).toMatch(/sim:twin +UTSIM\w+ +genuine +uninitialised\n/);
    expect(stdout).toMatch(/sim-fido:twin +standard +FIDO2, no PIN\n/);

    const before = readFileSync(stateOf("twin"), "utf8");
    await officer.gets(10, "simulator reset sim-fido:twin", { person: new TypingPerson("twin") });
    expect(readFileSync(stateOf("twin"), "utf8")).toBe(before);
    const person = new TypingPerson("sim-fido:twin");
    const { stderr } = await officer.gets(0, "simulator reset sim-fido:twin", { person });
    expect(stderr).toContain("everything on the SIMULATED token sim-fido:twin: its PIN, and every credential");
    expect(readFileSync(stateOf("twin"), "utf8")).not.toBe(before);

    await officer.gets(0, "simulator remove --device sim-fido:twin --yes");
    expect(existsSync(stateOf("twin"))).toBe(false);
    expect((await officer.gets(0, "simulator list")).stdout).toContain("sim:twin");
    await officer.gets(3, "simulator remove sim-fido:twin --yes");
    await officer.gets(3, "simulator reset --device sim-fido:twin --yes");
    expect(existsSync(stateOf("twin"))).toBe(false);
  });

  test("each kind has profiles of its own", async () => {
    expect(await officer.document(0, "simulator create sim-fido:other --profile applet")).toMatchObject({
      profile: "applet",
    });
    await officer.gets(8, "simulator create sim-fido:other");
    for (const profile of ["pico-fido-5.12", "pico-fido-6.6", "pico-fido-7.6", "pico-fido-8.0"]) {
      const line = `simulator create sim-fido:${profile} --profile ${profile}`;
      expect(await officer.document(0, line)).toMatchObject({ profile });
    }
    await officer.gets(2, "simulator create sim-fido:wrong --profile pico");
    await officer.gets(2, "simulator create sim:wrong --profile applet");
    await officer.gets(2, "simulator create sim-fido:../wrong");
    await officer.gets(2, "simulator serve sim:a --profile applet --dry-run");
    await officer.gets(2, "simulator serve sim-fido:a --profile genuine --dry-run");
    await officer.gets(2, "simulator serve sim-fido:a --profile quick --dry-run");
    await officer.gets(2, "simulator serve sim-fido:a,sim-fido:a --dry-run");
    await officer.gets(2, "simulator serve fido:a --dry-run");
  });

  test("is served beside HSMs, in the order named", async () => {
    const plan = await officer.document(0, "simulator serve sim-fido:s --device sim:s --port 4000 --dry-run");
    expect(plan["tokens"]).toEqual([
      { name: "s", device: "sim-fido:s", port: 4000 },
      { name: "s", device: "sim:s", port: 4001 },
    ]);
    expect(existsSync(stateOf("s"))).toBe(false);
  });

  test("a file that is damaged is listed, refused, and can be removed", async () => {
    await officer.gets(0, "simulator create sim-fido:hurt");
    writeFileSync(stateOf("hurt"), "{");
    expect((await officer.gets(0, "simulator list")).stdout).toMatch(/sim-fido:hurt .*no JSON/);
    await officer.gets(9, "simulator reset sim-fido:hurt --yes");
    await officer.gets(0, "simulator remove sim-fido:hurt --yes");
  });

  test.each([
    ["simulator create", "simulator create sim-fido:j"],
    ["simulator create", "simulator create sim-fido:k --dry-run"],
    ["simulator list", "simulator list"],
    ["simulator serve", "simulator serve sim-fido:j --dry-run"],
    ["simulator reset", "simulator reset sim-fido:j --dry-run"],
    ["simulator reset", "simulator reset sim-fido:j --yes"],
    ["simulator remove", "simulator remove sim-fido:j --dry-run"],
    ["simulator remove", "simulator remove sim-fido:j --yes"],
  ])("%s: `%s --json` fits its schema", async (schema, line) => {
    expect(violations(schemaOf(schema), await officer.document(0, line))).toEqual([]);
  });
});

test("HSMADM_SIMULATOR_TOUCH plays somebody else than one who touches", async () => {
  const select = Uint8Array.of(0x00, 0xa4, 0x04, 0x00, 0x08, 0xa0, 0x00, 0x00, 0x06, 0x47, 0x2f, 0x00, 0x01, 0x00);
  const selection = Uint8Array.of(0x80, 0x10, 0x80, 0x00, 0x01, 0x0b, 0x00);
  const answers: (number | undefined)[] = [];
  for (const outcome of [undefined, "touched", "denied", "timeout"]) {
    const env: Record<string, string> = outcome === undefined ? {} : { HSMADM_SIMULATOR_TOUCH: outcome };
    const context = { io: { env }, paths: { simulator: world.path("touches") } } as unknown as CommandContext;
    const channel = await openSimulatedAuthenticator(context, "touch");
    await channel.transceive(select);
    answers.push((await channel.transceive(selection))[0]);
    await channel.close();
  }
  expect(answers).toEqual([0x00, 0x00, 0x27, 0x2f]);
});

test("HSMADM_SIMULATOR_POWER knows kept and cycle", async () => {
  for (const [power, problem] of [
    ["kept", null],
    ["cycle", null],
    ["off", "OPTION_VALUE"],
  ] as const) {
    const env = { HSMADM_SIMULATOR_POWER: power };
    const context = { io: { env }, paths: { simulator: world.path("power") } } as unknown as CommandContext;
    const opened = openSimulatedAuthenticator(context, "power");
    if (problem === null) await (await opened).close();
    else await expect(opened).rejects.toMatchObject({ code: problem, kind: "usage" });
  }
});
