import { beforeAll, expect, test, vi } from "vitest";
import { TestWorld } from "./support/test-io.ts";
import { VaultOfficer } from "./support/vault-officer.ts";

vi.mock("../../src/crypto/shares/share-key.ts", async (original) =>
  (await import("./support/fewer-rounds.ts")).fewerRounds(original),
);

const world = new TestWorld();
const officer = new VaultOfficer(world);
const path = world.path("cloned.vault");

beforeAll(async () => {
  const share = world.path("share.pbe");
  await officer.gets(0, `share create ${share} --password env:PHRASE`);
  for (const name of ["a", "b"]) {
    const init = "--so-pin env:SO --pin env:PIN --dkek-shares 1";
    await officer.gets(0, `device init --device sim:${name} --label ${name} ${init}`);
    await officer.gets(0, `share import ${share} --password env:PHRASE --pin env:PIN --device sim:${name}`);
  }
  // On the second token the key gets another reference: only its public half says that it is the same.
  await officer.gets(0, "key generate --type ec:p256 --label first --id A1 --device sim:b --pin env:PIN");
  await officer.gets(0, "key generate --type ec:p256 --label vault --device sim:a --pin env:PIN");
  await officer.gets(0, `vault create ${path} --slot card:vault --no-recovery --device sim:a --pin env:PIN`);
  const wrapped = world.path("vault.key");
  await officer.gets(0, `key wrap vault --out ${wrapped} --device sim:a --pin env:PIN`);
  await officer.gets(0, `key unwrap ${wrapped} --key-ref 7 --device sim:b --pin env:PIN`);
});

test("a key that was cloned under the DKEK opens the same slot on another token", async () => {
  expect(await officer.fits(0, `vault open ${path} --device sim:b --pin env:PIN`)).toMatchObject({ slot: 1 });
});

test("two tokens that both match: either will do, and one PIN is presented", async () => {
  expect(await officer.fits(0, `vault open ${path} --device sim:a,sim:b --pin env:PIN`)).toMatchObject({
    by: { length: 1 },
  });
  // The first is refused, the second opens.
  await officer.gets(0, `vault open ${path} --device sim:a,sim:b --pin env:WRONG --pin env:PIN`);
  expect(await officer.tries("a")).toMatchObject({ user: 2 });
});

test("a clone is no second way to open it: the key is enrolled already", async () => {
  const add = `vault slot add ${path} card:vault --device sim:b --pin env:PIN`;
  expect(await officer.refused(8, add)).toMatchObject({ code: "VAULT_OPENER_ENROLLED" });
});
