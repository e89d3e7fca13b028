import { existsSync, readFileSync } from "node:fs";
import { beforeAll, expect, test } from "vitest";
import { TestWorld } from "./support/test-io.ts";
import { VaultOfficer } from "./support/vault-officer.ts";

/** Sealing to a vault that stays locked, by a recipient that was noted when it was open. */

const world = new TestWorld();
const officer = new VaultOfficer(world);
const card = "--device sim:one --pin env:PIN";
const plain = new Uint8Array(150_000).map((_, i) => i * 5);
let vault = "";
let from = "";
let count = 0;

function fresh(): string {
  return world.path(`sealed-${count++}`);
}

async function recipientOf(path: string): Promise<string> {
  return String((await officer.fits(0, `vault open ${path} --check ${card}`))["fileRecipient"]);
}

beforeAll(async () => {
  await officer.token("one");
  vault = await officer.vault("home.vault", "one");
  from = officer.file("plain", plain);
});

test("with a recipient that was noted no device is named, and the vault opens what was sealed", async () => {
  const recipient = await recipientOf(vault);
  const [sealed, back] = [fresh(), fresh()];
  await officer.fits(0, `vault seal ${vault} --to ${recipient} --in ${from} --out ${sealed}`);
  await officer.gets(0, `vault unseal ${vault} --in ${sealed} --out ${back} ${card}`);
  expect(new Uint8Array(readFileSync(back))).toEqual(plain);
  // A device that is named all the same is not opened.
  await officer.gets(0, `vault seal ${vault} --to ${recipient} --in ${from} --out ${fresh()} --device sim:untouched`);
  expect(existsSync(world.path("simulator/untouched.json"))).toBe(false);
});

test("status names the recipient as the file does, and says that nothing is verified", async () => {
  expect(await officer.fits(0, `vault status ${vault}`)).toMatchObject({
    verified: false,
    fileRecipient: await recipientOf(vault),
  });
  expect((await officer.gets(0, `vault status ${vault}`)).stdout).not.toContain("age1");
});

test("another vault in its place is found out before a byte is sealed, and so is a rekey", async () => {
  const recipient = await recipientOf(vault);
  const other = await officer.vault("other.vault", "one");
  const out = fresh();
  const refused = await officer.refused(9, `vault seal ${other} --to ${recipient} --in ${from} --out ${out}`);
  expect(refused).toMatchObject({
    code: "VAULT_RECIPIENT_OTHER",
    details: { expected: recipient, found: await recipientOf(other) },
  });
  expect(existsSync(out)).toBe(false);

  await officer.gets(0, `vault rekey ${other} ${card}`);
  await officer.refused(9, `vault seal ${other} --to ${recipient} --in ${from} --out ${out}`);
  await officer.gets(0, `vault seal ${other} --to ${await recipientOf(other)} --in ${from} --out ${out}`);
});

test("what makes no sense is refused as such", async () => {
  const recipient = await recipientOf(vault);
  const seal = `vault seal ${vault} --in ${from} --out ${fresh()}`;
  for (const opener of ["--pin env:PIN", "--passphrase env:PHRASE", "--expect-id v1-x", "--allow-rollback"]) {
    expect(await officer.refused(2, `${seal} --to ${recipient} ${opener}`)).toMatchObject({ code: "OPTIONS_CONFLICT" });
  }
  const mistyped = recipient.slice(0, -1) + (recipient.endsWith("q") ? "p" : "q");
  for (const no of ["age1none", mistyped, recipient.slice(0, 20)]) {
    expect(await officer.refused(2, `${seal} --to ${no}`)).toMatchObject({ code: "AGE_KEY_INVALID" });
  }
  await officer.gets(9, `vault seal ${from} --to ${recipient} --in ${from} --out ${fresh()}`);
  // Without a recipient it has to be opened, and nothing is named that could.
  expect(await officer.refused(3, seal)).toMatchObject({ code: "DEVICE_POLICY" });
});
