import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { beforeAll, describe, expect, test } from "vitest";
import { TestWorld } from "./support/test-io.ts";
import { VaultOfficer } from "./support/vault-officer.ts";

const world = new TestWorld();
const officer = new VaultOfficer(world);
const card = "--device sim:one --pin env:PIN";
const init = "device init --device sim:one --label one --so-pin env:SO --pin env:PIN --dkek-shares none --yes";
const path = world.path("only.vault");
let id = "";

beforeAll(async () => {
  await officer.token("one", "ec:p256 vault", "ec:p256 other", "aes:256 aes");
  await officer.gets(0, `vault create ${path} --slot card:vault --no-recovery ${card}`);
  id = ((await officer.fits(0, `vault status ${path}`))["vault"] as { id: string }).id;
});

test("a token that alone opens a vault is not erased unless the vault is named", async () => {
  const refused = await officer.refused(5, init);
  expect(refused).toMatchObject({ code: "VAULT_ONLY_OPENER", message: expect.stringContaining(path) });
  expect(refused["advice"]).toContain(`--ack-vault ${id}`);
  expect(await officer.refused(5, `${init} --ack-vault v1-another`)).toMatchObject({ code: "VAULT_ONLY_OPENER" });
  expect(await officer.refused(5, `key delete vault ${card} --yes`)).toMatchObject({ code: "VAULT_ONLY_OPENER" });
  expect(await officer.refused(5, `key delete vault ${card} --dry-run`)).toMatchObject({ code: "VAULT_ONLY_OPENER" });
  await officer.gets(0, `vault open ${path} ${card}`);
});

test("another key of it goes without a word", async () => {
  const { stderr } = await officer.gets(0, `key delete other ${card} --yes`);
  expect(stderr).not.toContain("vault");
});

test("with a recovery key it is said among what is lost; with another device nothing is", async () => {
  await officer.gets(0, `vault slot add ${path} recovery --recovery-out ${path}.r ${card}`);
  const said = await officer.gets(2, `key delete vault ${card}`);
  expect(said.stderr).toContain("only its recovery key would be left");
  await officer.token("two");
  await officer.gets(0, `vault slot add ${path} card:vault --device sim:one,sim:two --pin env:PIN`);
  expect((await officer.gets(2, `key delete vault ${card}`)).stderr).not.toContain("recovery key");
});

test("named, it is erased", async () => {
  await officer.gets(0, `vault slot remove ${path} 2 --yes-lock-me-out ${card}`);
  await officer.gets(0, `vault slot remove ${path} 3 --yes-lock-me-out ${card}`);
  await officer.refused(5, init);
  await officer.gets(0, `${init} --ack-vault ${id}`);
  await officer.gets(3, `vault open ${path} ${card}`);
});

describe("a simulated token", () => {
  const vault = (name: string) => world.path(`${name}.vault`);
  const idOf = async (name: string) =>
    ((await officer.fits(0, `vault status ${vault(name)}`))["vault"] as { id: string }).id;

  test.each(["reset", "remove"])("an HSM that alone opens a vault: %s", async (verb) => {
    const name = `hsm-${verb}`;
    await officer.token(name);
    await officer.gets(
      0,
      `vault create ${vault(name)} --slot card:vault --no-recovery --device sim:${name} --pin env:PIN`,
    );
    const id = await idOf(name);
    for (const how of ["--yes", "--dry-run", "--yes --ack-vault v1-another"]) {
      const refused = await officer.refused(5, `simulator ${verb} --device sim:${name} ${how}`);
      expect(refused).toMatchObject({ code: "VAULT_ONLY_OPENER", message: expect.stringContaining(id) });
      expect(refused["advice"]).toContain(`--ack-vault ${id}`);
    }
    await officer.gets(0, `vault open ${vault(name)} --device sim:${name} --pin env:PIN`);
    await officer.gets(0, `simulator ${verb} --device sim:${name} --yes --ack-vault ${id}`);
  });

  test.each(["reset", "remove"])("an authenticator that alone opens a vault: %s", async (verb) => {
    const name = `fido-${verb}`;
    await officer.gets(0, `vault create ${vault(name)} --slot fido --no-recovery --device sim-fido:${name}`);
    const id = await idOf(name);
    expect(await officer.refused(5, `simulator ${verb} --device sim-fido:${name} --yes`)).toMatchObject({
      code: "VAULT_ONLY_OPENER",
      message: expect.stringContaining(id),
    });
    const guard = await officer.fits(5, `vault guard --device sim-fido:${name}`);
    expect(guard).toMatchObject({ token: { simulated: true }, vaults: [{ id, role: "only" }] });
    await officer.gets(0, `simulator ${verb} --device sim-fido:${name} --yes --ack-vault ${id}`);
    await officer.gets(3, `vault open ${vault(name)} --device sim-fido:${name}`);
  });

  test("one that opens nothing goes without a word", async () => {
    await officer.initialised("stranger");
    await officer.gets(0, "simulator create sim-fido:stranger");
    for (const device of ["sim:stranger", "sim-fido:stranger"]) {
      expect((await officer.fits(0, `vault guard --device ${device}`))["vaults"]).toEqual([]);
      expect((await officer.gets(0, `simulator remove --device ${device} --yes`)).stderr).not.toContain("vault");
    }
  });
});

describe("what is asked of a token that opens nothing, when it is initialised", () => {
  const elsewhere = new TestWorld();
  const other = new VaultOfficer(elsewhere);
  const on = (name: string) => init.replaceAll("sim:one", `sim:${name}`);
  let traces = 0;

  /** How many commands it takes. */
  async function sent(line: string): Promise<number> {
    const trace = elsewhere.path(`count-${traces++}.apdu`);
    await other.gets(0, `${line} --trace ${trace}`);
    return readFileSync(trace, "utf8").match(/^> /gm)?.length ?? 0;
  }

  test("nothing more, but which keys it holds where a vault has a slot for a card", async () => {
    const fresh = await sent(on("plain"));
    const again = await sent(on("plain"));
    const fido = elsewhere.path("fido.vault");
    await other.gets(0, `vault create ${fido} --slot fido --no-recovery --device sim-fido:f`);
    expect(await sent(on("plain"))).toBe(again);
    await other.token("holder");
    const ofCard = elsewhere.path("card.vault");
    await other.gets(0, `vault create ${ofCard} --slot card:vault --no-recovery --device sim:holder --pin env:PIN`);
    expect(await sent(on("plain"))).toBe(again + 1);
    expect(await sent(on("new"))).toBe(fresh);
  });
});

describe("PINs of a token that alone opens a vault", () => {
  const broken = new TestWorld();
  const device = "--device sim:pins";

  beforeAll(async () => {
    await officer.token("pins");
    await officer.gets(
      0,
      `vault create ${world.path("pins.vault")} --slot card:vault --no-recovery ${device} --pin env:PIN`,
    );
  });

  test.each([
    "so-pin change --so-pin env:SO --new-so-pin env:SO",
    "pin unblock --so-pin env:SO --new-pin env:PIN",
    "pin change --pin env:PIN --new-pin env:PIN",
  ])("%s: done, and said what hangs on it", async (line) => {
    const { stderr } = await officer.gets(0, `${line} ${device}`);
    expect(stderr).toContain("nothing else opens it");
    expect(stderr).toContain(`hsmadm vault slot add ${world.path("pins.vault")}`);
    expect((await officer.gets(0, `${line} ${device} --dry-run`)).stderr).toContain("nothing else opens it");
  });

  test("another token is not spoken of; a record that cannot be read is no reason to refuse a PIN", async () => {
    await officer.initialised("free");
    const line = "pin change --pin env:PIN --new-pin env:PIN --device sim:free";
    expect((await officer.gets(0, line)).stderr).toBe("");
    const other = new VaultOfficer(broken);
    await other.initialised("free");
    mkdirSync(broken.path("vaults"), { recursive: true });
    writeFileSync(broken.path(`vaults/${"0".repeat(32)}.json`), "{}");
    expect((await other.gets(0, line)).stderr).toContain("whether a vault hangs on this token is not known");
  });
});

test("an AES key without a slot goes without a word, one with a slot does not", async () => {
  await officer.token("aes", "ec:p256 vault", "aes:256 opener", "aes:256 spare");
  const device = "--device sim:aes --pin env:PIN";
  await officer.gets(0, `vault create ${world.path("ec.vault")} --slot card:vault --no-recovery ${device}`);
  await officer.gets(0, `key delete spare ${device} --yes`);
  await officer.gets(0, `vault create ${world.path("aes.vault")} --slot card:opener --no-recovery ${device}`);
  expect(await officer.refused(5, `key delete opener ${device} --yes`)).toMatchObject({ code: "VAULT_ONLY_OPENER" });
});

test("a key that a backup is to replace", async () => {
  const device = "--device sim:r --pin env:PIN";
  await officer.gets(0, "device init --device sim:r --label r --so-pin env:SO --pin env:PIN --dkek-shares random");
  await officer.gets(0, `key generate --type ec:p256 --label old ${device}`);
  await officer.gets(0, `backup create ${world.path("r.bak")} ${device}`);
  await officer.gets(0, `key delete old ${device} --yes`);
  await officer.gets(0, `key generate --type ec:p256 --label vault ${device}`);
  const file = world.path("r.vault");
  await officer.gets(0, `vault create ${file} --slot card:vault --no-recovery ${device}`);
  const restore = `backup restore ${world.path("r.bak")} --replace --yes ${device}`;
  const refused = await officer.refused(5, restore);
  expect(refused).toMatchObject({ code: "VAULT_ONLY_OPENER", message: expect.stringContaining(file) });
  await officer.gets(0, `vault open ${file} ${device}`);
  const [, named = ""] = /--ack-vault (\S+)/.exec(String(refused["advice"])) ?? [];
  await officer.gets(0, `${restore} --ack-vault ${named}`);
  await officer.gets(3, `vault open ${file} ${device}`);
});
