import { beforeAll, describe, expect, test } from "vitest";
import { secrets } from "./support/officer.ts";
import { ShareOfficer } from "./support/share-officer.ts";
import { TestWorld, TypingPerson } from "./support/test-io.ts";

const world = new TestWorld();
const officer = new ShareOfficer(world);
const initialise = "device init --so-pin env:SO --pin env:PIN";

interface Domain {
  readonly index: number;
  readonly state: string;
  readonly kcv: string | null;
}

async function domainsOf(name: string): Promise<Domain[]> {
  return (await officer.fits(0, `domain list --device sim:${name}`))["domains"] as Domain[];
}

async function serialOf(name: string): Promise<string> {
  const { token } = await officer.document(0, `domain list --device sim:${name}`);
  return (token as { serial: string }).serial;
}

beforeAll(async () => {
  await officer.gets(0, `${initialise} --device sim:d --label d --key-domains 3`);
});

describe("domain create", () => {
  test("takes the first free one, or the one that is named, until there is none", async () => {
    const create = "domain create --device sim:d --pin env:PIN";
    expect(await officer.fits(0, `${create} --dkek-shares 2`)).toMatchObject({
      domain: 0,
      state: { state: "pending", shares: 2 },
    });
    expect(await officer.fits(0, `${create} 2 --dkek-shares random`)).toMatchObject({ domain: 2, shares: 0 });
    expect(await officer.fits(0, create)).toMatchObject({ domain: 1, shares: 1 });
    expect((await domainsOf("d")).map(({ state }) => state)).toEqual(["pending", "pending", "random"]);
    expect((await officer.fits(8, create))["error"]).toMatchObject({ code: "KEY_DOMAINS_TAKEN" });
    await officer.fits(8, `${create} 1`);
    await officer.fits(2, `${create} 7`);
    const { stdout } = await officer.gets(0, "domain list --device sim:d");
    expect(stdout).toMatch(/^DOMAIN {2}STATE {4}SHARES {2}KCV\n0 {7}pending {2}0 of 2\n/);
  });

  test.each(["0", "256", "x", "none"])("refuses %s shares", async (shares) => {
    await officer.fits(2, `domain create --device sim:d --pin env:PIN --dkek-shares ${shares}`);
  });

  test("needs the PIN and a token with key domains", async () => {
    await officer.fits(2, "domain create --device sim:d");
    await officer.gets(0, `${initialise} --device sim:plain --dkek-shares 1`);
    await officer
      .does("domain create 0 --device sim:plain --pin env:PIN")
      .then(({ code }) => expect([7, 8]).toContain(code));
    const [only, ...others] = await domainsOf("plain");
    expect(only).toMatchObject({ state: "pending" });
    expect(others).toEqual([]);
  });

  test("--dry-run sends nothing", async () => {
    await officer.gets(0, `${initialise} --device sim:dry --key-domains 2`);
    await officer.fits(0, "domain create --device sim:dry --pin env:PIN --dry-run");
    expect((await domainsOf("dry")).every(({ state }) => state === "not-created")).toBe(true);
  });
});

describe.each(["delete", "clear"])("domain %s", (verb) => {
  const name = `end-${verb}`;
  const words = `domain ${verb} 0 --device sim:${name} --pin env:PIN`;

  beforeAll(async () => {
    await officer.gets(0, `${initialise} --device sim:${name} --label ${name} --key-domains 2`);
    await officer.gets(0, `domain create --device sim:${name} --pin env:PIN --dkek-shares random`);
  });

  test("shows what is lost and wants the serial typed, or --yes with an exact --device", async () => {
    const [before] = await domainsOf(name);
    await officer.fits(2, words);
    await officer.fits(0, `${words} --dry-run`);
    await officer.gets(10, words, { person: new TypingPerson("yes") });
    expect((await domainsOf(name))[0]).toEqual(before);
    const { stderr, stdout } = await officer.gets(0, words, { person: new TypingPerson(await serialOf(name)) });
    expect(stderr).toContain("This will be lost for ever:");
    expect(stderr).toContain(String(before?.kcv));
    expect(stdout).toContain("was deleted");
    expect((await domainsOf(name))[0]?.kcv).not.toBe(before?.kcv);
  });

  test("--yes does it without a question, --json says what was", async () => {
    const device = `--device sim:${name} --pin env:PIN`;
    await officer.gets(0, `domain create 1 ${device} --dkek-shares random`);
    const { before, state } = await officer.fits(0, `domain ${verb} 1 ${device} --yes`);
    expect(before).toMatchObject({ index: 1, state: "random" });
    expect(state).not.toEqual(before);
  });

  test("refuses what is no domain, and a wrong PIN", async () => {
    const device = `--device sim:${name} --yes`;
    await officer.fits(2, `domain ${verb} ${device} --pin env:PIN`);
    await officer.fits(2, `domain ${verb} x ${device} --pin env:PIN`);
    await officer.fits(2, `domain ${verb} 300 ${device} --pin env:PIN`);
    await officer.fits(2, `domain ${verb} 9 ${device} --pin env:PIN`);
    await officer.does(`domain create 0 --device sim:${name} --pin env:PIN`);
    await officer.fits(4, `domain ${verb} 0 ${device} --pin env:WRONG`);
  });
});

test("no PIN in anything printed", () => {
  for (const secret of Object.values(secrets)) expect(world.printed).not.toContain(secret);
});
