import { describe, expect, test } from "vitest";
import type { CommandContext } from "../../src/cli/context.ts";
import { confirmDestruction } from "../../src/cli/terminal/confirm.ts";
import type { HsmError } from "../../src/errors.ts";
import { Officer } from "./support/officer.ts";
import { TestWorld, TypingPerson } from "./support/test-io.ts";

const world = new TestWorld();
const officer = new Officer(world);

async function serialOf(name: string): Promise<string> {
  const document = await officer.document(0, `pin status --device sim:${name}`);
  return (document["token"] as { serial: string }).serial;
}

const init = "device init --so-pin env:SO --pin env:PIN --dkek-shares none";

describe("device init on a token that holds something", () => {
  test("shows what will be lost and wants the serial typed", async () => {
    await officer.initialised("typed");
    const serial = await serialOf("typed");
    const person = new TypingPerson(serial);
    const { stderr } = await officer.gets(0, `${init} --device sim:typed --label again`, { person });
    expect(stderr).toContain("This will be lost for ever:\n  all keys, certificates and data on typed, UTSIM");
    expect(stderr).toContain("SIMULATED");
    expect(person.prompts).toEqual([`Type the serial ${serial} to go on [Enter: stop]: `]);
    expect((await officer.gets(0, "device status --device sim:typed")).stdout).toContain('"again"');
  });

  test("any other word, a label or a simulated name included, changes nothing", async () => {
    await officer.initialised("other");
    for (const word of ["", "yes", "other", "sim:other", (await serialOf("other")).toLowerCase()]) {
      await officer.gets(10, `${init} --device sim:other --label gone`, { person: new TypingPerson(word) });
    }
    expect((await officer.gets(0, "device status --device sim:other")).stdout).toContain('"other"');
  });

  test("--yes alone is not enough, nor is an exact --device alone", async () => {
    await officer.initialised("yes");
    const env = { HSMADM_DEVICE: "" };
    await officer.gets(2, `${init} --device sim:yes`, { env });
    const { stderr } = await officer.gets(2, `${init} --device sim:yes --no-input`, { env });
    expect(stderr).toContain("--yes together with --device");
    await officer.gets(0, `${init} --device sim:yes --yes --label again`);
    expect((await officer.gets(0, "device status --device sim:yes")).stdout).toContain('"again"');
  });

  test("--yes is never implied by --no-input, --quiet or --json", async () => {
    await officer.initialised("quiet");
    await officer.gets(2, `${init} --device sim:quiet --no-input --quiet --json`);
  });

  test("a new token has nothing to lose and asks nothing", async () => {
    const person = new TypingPerson();
    const { stderr } = await officer.gets(0, `${init} --device sim:new`, { person });
    expect(stderr).not.toContain("lost for ever");
    expect(person.prompts).toEqual([]);
  });
});

describe("--yes", () => {
  async function confirm(yes: boolean, exact: boolean, person?: TypingPerson): Promise<unknown> {
    const said: string[] = [];
    const context = {
      globals: { yes, noInput: false },
      io: { terminal: () => person ?? null },
      output: { say: (line: string) => said.push(line) },
    } as unknown as CommandContext;
    const outcome = await confirmDestruction(context, { losses: ["everything"], serial: "S1", exact }).then(
      () => "confirmed",
      (error: unknown) => (error as HsmError).code,
    );
    expect(said).toContain("  everything");
    return outcome;
  }

  test("needs a --device that names this very token: a label or a reader's name is not enough", async () => {
    expect(await confirm(true, true)).toBe("confirmed");
    expect(await confirm(true, false)).toBe("CONFIRMATION_MISSING");
    expect(await confirm(false, true)).toBe("CONFIRMATION_MISSING");
  });

  test("without that the serial is asked for, where somebody can be asked", async () => {
    expect(await confirm(true, false, new TypingPerson("S1"))).toBe("confirmed");
    expect(await confirm(true, false, new TypingPerson("S2"))).toBe("CANCELLED");
  });
});

describe("how keys may leave", () => {
  test("without --dkek-shares a terminal is asked", async () => {
    const person = new TypingPerson("perhaps", "3");
    const document = await officer.document(0, "device init --device sim:ask --so-pin env:SO --pin env:PIN", {
      person,
    });
    expect(document).toMatchObject({
      dkek: { kind: "shares", shares: 3 },
      exportable: true,
      state: "dkek-shares-pending",
    });
    expect(person.prompts).toHaveLength(2);
  });

  test("else keys can never leave, which is said on stderr and in JSON", async () => {
    for (const extra of ["", "--no-input"]) {
      const name = `sim:never${extra.length}`;
      const { stdout, stderr } = await officer.gets(
        0,
        `device init --device ${name} --so-pin env:SO --pin env:PIN --json ${extra}`,
      );
      expect(stderr).toContain("keys can never leave");
      expect(JSON.parse(stdout)).toMatchObject({ ok: true, exportable: false, dkek: { kind: "none" } });
    }
  });

  test("N, random, none and key domains; nonsense and conflicts are usage errors", async () => {
    const device = (name: string) => `device init --device sim:${name} --so-pin env:SO --pin env:PIN`;
    expect(await officer.document(0, `${device("d1")} --dkek-shares 1`)).toMatchObject({ exportable: true });
    expect(await officer.document(0, `${device("d2")} --dkek-shares random`)).toMatchObject({ exportable: false });
    expect(await officer.document(0, `${device("d3")} --key-domains 2`)).toMatchObject({ exportable: true });
    for (const extra of [
      "--dkek-shares 0",
      "--dkek-shares 256",
      "--dkek-shares all",
      "--key-domains 0",
      "--dkek-shares 1 --key-domains 1",
      "--no-pin-reset --pin-reset-only-counter",
      "--retries 0",
      "--retries 11",
      "--pka 3-of-2",
      "--pka 2",
    ]) {
      await officer.gets(2, `${device("never-made")} ${extra}`);
    }
    expect((await officer.gets(0, "simulator list")).stdout).not.toContain("never-made");
  });
});

describe("simulated tokens", () => {
  test("reset and remove want the serial, or --yes with the exact name", async () => {
    await officer.initialised("gone");
    const serial = await serialOf("gone");
    for (const verb of ["reset", "remove"]) {
      await officer.gets(2, `simulator ${verb} --device sim:gone`);
      await officer.gets(10, `simulator ${verb} sim:gone`, { person: new TypingPerson("gone") });
    }
    expect(await serialOf("gone")).toBe(serial);
    await officer.gets(0, "simulator reset --device sim:gone --yes");
    expect((await officer.gets(0, "device status --device sim:gone")).stdout).toContain("uninitialised");
    const fresh = await serialOf("gone");
    await officer.gets(0, "simulator remove gone", { person: new TypingPerson(fresh) });
    expect((await officer.gets(0, "simulator list")).stdout).not.toContain("sim:gone");
    await officer.gets(3, "simulator remove gone --yes");
  });

  test("list, create with a profile, and SIMULATED wherever a person looks", async () => {
    expect(await officer.document(0, "simulator create p --profile pico")).toMatchObject({
      name: "p",
      profile: "pico",
    });
    await officer.gets(8, "simulator create p");
    await officer.gets(2, "simulator create q --profile quick");
    await officer.gets(2, "simulator create ../q");
    const { stdout } = await officer.gets(0, "simulator list");
    expect(stdout).toMatch(/sim:p +.*pico +uninitialised/);
    await officer.initialised("p");
    for (const argv of ["device status", "device info", "pin status", "guard", "pin verify --pin env:PIN"]) {
      const outcome = await officer.gets(0, `${argv} --device sim:p`);
      expect(outcome.stdout, argv).toContain("SIMULATED");
    }
  });

  test("HSMADM_SIMULATOR_SEED makes tokens repeatable, and different by name", async () => {
    const seeded = async (seed: string, name: string) => {
      const env = { HSMADM_SIMULATOR_SEED: seed, HSMADM_HOME: world.path(`seeded-${Math.random()}`) };
      const document = await officer.document(0, `pin status --device sim:${name}`, { env });
      return (document["token"] as { serial: string }).serial;
    };
    expect(await seeded("1", "a")).toBe(await seeded("1", "a"));
    expect(
      new Set([await seeded("1", "a"), await seeded("2", "a"), await seeded("1", "b"), await serialOf("a")]).size,
    ).toBe(4);
  });

  test("a corrupt state file is refused and left as it was", async () => {
    const { mkdirSync, readFileSync, writeFileSync } = await import("node:fs");
    mkdirSync(world.path("simulator"), { recursive: true });
    const file = world.path("simulator/corrupt.json");
    writeFileSync(file, '{"format":"something else"}');
    const { stderr } = await officer.gets(9, "device status --device sim:corrupt");
    expect(stderr).toContain("not the state of a simulated token");
    expect(readFileSync(file, "utf8")).toBe('{"format":"something else"}');
  });
});
