import { beforeAll, expect, test } from "vitest";
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
