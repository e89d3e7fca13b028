import { readFileSync } from "node:fs";
import { beforeAll, describe, expect, test } from "vitest";
import { parseX25519Identity } from "../../src/crypto/age/x25519.ts";
import type { Leaf } from "../../src/crypto/vault/leaf.ts";
import { enrolRecovery } from "../../src/services/vault/openers/recovery-source.ts";
import { createVault } from "../../src/services/vault/vault.ts";
import { softwareKey } from "../services/vault/software-keys.ts";
import { TestWorld, TypingPerson } from "./support/test-io.ts";
import { VaultOfficer } from "./support/vault-officer.ts";

/** `vault slot remove --wipe`: the slot goes, and the key on its card with it. */

const world = new TestWorld();
const officer = new VaultOfficer(world);
const both = "--device sim:one,sim:two --pin env:PIN";
let count = 0;

async function create(slots: string, devices: string): Promise<string> {
  const path = world.path(`wipe-${count++}.vault`);
  await officer.gets(0, `vault create ${path} ${slots} --recovery-out ${path}.recovery ${devices}`);
  return path;
}

async function labels(token: string): Promise<string[]> {
  const { keys } = await officer.document(0, `key list --device sim:${token}`);
  return (keys as { label: string }[]).map(({ label }) => label).sort();
}

async function generation(path: string): Promise<number> {
  return ((await officer.fits(0, `vault status ${path}`))["vault"] as { generation: number }).generation;
}

beforeAll(async () => {
  await officer.token("one");
});

describe("a slot of a card", () => {
  beforeAll(async () => {
    await officer.token("two", "ec:p256 vault", "ec:p256 other", "aes:256 aes", "rsa:2048 rsa");
  });

  test("--dry-run names the key and leaves everything; nobody asked, nothing destroyed", async () => {
    const path = await create("--slot card:vault@sim:one --slot card:other@sim:two", both);
    const remove = `vault slot remove ${path} 2 --wipe ${both}`;
    expect(await officer.fits(0, `${remove} --dry-run`)).toMatchObject({
      wiped: [{ keyLabel: "other" }],
      dryRun: true,
    });
    const unconfirmed = await officer.refused(2, remove);
    expect(unconfirmed).toMatchObject({ code: "CONFIRMATION_MISSING" });
    await officer.gets(10, remove, { person: new TypingPerson("another serial") });
    expect(await labels("two")).toContain("other");
    expect(await generation(path)).toBe(1);
  });

  test.each(["other", "aes", "rsa"])("%s: slot and key are gone, old copies open with it no more", async (key) => {
    const path = await create(`--slot card:vault@sim:one --slot card:${key}@sim:two`, both);
    await officer.gets(0, `vault open ${path} --device sim:two --pin env:PIN`);
    const done = await officer.fits(0, `vault slot remove ${path} 2 --wipe ${both} --yes`);
    expect(done).toMatchObject({ removed: { id: 2 }, wiped: [{ keyLabel: key }], vault: { generation: 2 } });
    expect(await labels("two")).not.toContain(key);
    expect(await labels("one")).toEqual(["vault"]);
    await officer.gets(3, `vault open ${path}.bak --device sim:two --pin env:PIN`);
    await officer.gets(0, `vault open ${path} --device sim:one --pin env:PIN`);
  });

  test("of AES keys that look alike only the slot's own goes", async () => {
    await officer.token("alike", "aes:256 first", "aes:256 second", "aes:256 third");
    const devices = "--device sim:one,sim:alike --pin env:PIN";
    const path = await create("--slot card:vault@sim:one --slot card:second@sim:alike --anonymous", devices);
    const done = await officer.fits(0, `vault slot remove ${path} 2 --wipe --yes ${devices}`);
    expect(done["wiped"]).toMatchObject([{ keyLabel: "second" }]);
    expect(await labels("alike")).toEqual(["first", "third"]);
  });

  test("without --wipe the key stays, and what is said of old copies is true", async () => {
    const path = await create("--slot card:vault@sim:one --slot card:vault@sim:two", both);
    const { stderr } = await officer.gets(0, `vault slot remove ${path} 2 ${both}`);
    expect(stderr).toContain(`copies of the file made before still open with slot 2, ${path}.bak among them`);
    expect(await labels("two")).toContain("vault");
    await officer.gets(0, `vault open ${path}.bak --device sim:two --pin env:PIN --allow-rollback`);
  });

  test("the card has to be named, and nothing is written when it is not", async () => {
    const path = await create("--slot card:vault@sim:one --slot card:vault@sim:two", both);
    const one = "--device sim:one --pin env:PIN";
    expect(await officer.refused(3, `vault slot remove ${path} 2 --wipe --yes ${one}`)).toMatchObject({
      code: "VAULT_WIPE_ABSENT",
    });
    expect(await generation(path)).toBe(1);
  });

  test("a key that another slot needs is not destroyed", async () => {
    const [card, paper] = [softwareKey("card-ec"), enrolRecovery()];
    const path = world.path("shared-key.vault");
    const paperKey = { primitive: "x25519", secret: parseX25519Identity(paper.identity).secret } as const;
    const keyOf = (leaf: Leaf) => (leaf.kind === "recovery" ? paperKey : card.key);
    const holders = [
      { kind: "one", leaf: paper.leaf },
      { kind: "one", leaf: card.leaf },
      { kind: "all-of", legs: [card.leaf, paper.leaf] },
    ] as const;
    await (
      await createVault(
        path,
        holders.map((holder) => ({ label: "", holder, proof: keyOf })),
      )
    ).close();
    const recovery = `--recovery file:${officer.file("shared-key.recovery", paper.identity)}`;
    expect(await officer.refused(5, `vault slot remove ${path} 2 --wipe --yes ${recovery}`)).toMatchObject({
      code: "VAULT_WIPE_NEEDED",
      message: expect.stringContaining("slot 3"),
    });
  });

  test("a key that alone opens another vault is destroyed only when that is named", async () => {
    const path = await create("--slot card:vault@sim:one --slot card:vault@sim:two", both);
    const only = world.path("only.vault");
    await officer.gets(0, `vault create ${only} --slot card:vault --no-recovery --device sim:two --pin env:PIN`);
    const { vault } = (await officer.fits(0, `vault status ${only}`)) as { vault: { id: string } };
    const remove = `vault slot remove ${path} 2 --wipe --yes ${both}`;
    expect(await officer.refused(5, remove)).toMatchObject({ code: "VAULT_ONLY_OPENER" });
    expect(await labels("two")).toContain("vault");
    await officer.gets(0, `${remove} --ack-vault ${vault.id}`);
    expect(await labels("two")).not.toContain("vault");
  });

  test("a wrong PIN of the card changes neither", async () => {
    await officer.token("pin");
    const path = await create(
      "--slot card:vault@sim:one --slot card:vault@sim:pin",
      "--device sim:one,sim:pin --pin env:PIN",
    );
    const remove = `vault slot remove ${path} 2 --wipe --yes --device sim:one,sim:pin --pin env:PIN --pin env:WRONG`;
    expect(await officer.refused(4, remove)).toMatchObject({ code: "PIN_WRONG", triesLeft: 2 });
    expect(await generation(path)).toBe(1);
    expect(await labels("pin")).toEqual(["vault"]);
  });
});

test("what is stored on no device is said to be on none", async () => {
  const devices = "--device sim:one,sim-fido:four --pin env:PIN --passphrase env:PHRASE";
  const path = await create("--slot card:vault --slot fido --slot passphrase", devices);
  const old = readFileSync(path);
  const one = "--device sim:one --pin env:PIN";
  const fido = await officer.gets(0, `vault slot remove ${path} 2 --wipe ${one}`);
  expect(fido.stderr).toContain("the device does not store this credential");
  // And so it is: with the old copy it opens still.
  await officer.gets(0, `vault open ${officer.file("old.vault", old)} --device sim-fido:four`);
  expect((await officer.gets(0, `vault slot remove ${path} 3 --wipe ${one}`)).stderr).toContain("it is stored nowhere");
  expect(await officer.fits(0, `vault slot remove ${path} 4 --wipe --yes-lock-me-out ${one}`)).toMatchObject({
    wiped: [],
  });
  expect(await labels("one")).toEqual(["vault"]);
});
