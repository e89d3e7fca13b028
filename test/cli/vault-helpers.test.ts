import { existsSync } from "node:fs";
import { beforeAll, expect, test } from "vitest";
import { secrets } from "./support/officer.ts";
import { TestWorld, TypingPerson } from "./support/test-io.ts";
import { VaultOfficer } from "./support/vault-officer.ts";

const world = new TestWorld();
const officer = new VaultOfficer(world);
let vault = "";

beforeAll(async () => {
  await officer.token("one");
  vault = await officer.vault("v", "one");
});

/** Opens the vault with this helper in place of the terminal. */
function open(code: number, helper: string, variable = "HSMADM_PASSPHRASE_HELPER", person?: TypingPerson) {
  const env = { [variable]: helper };
  return officer.gets(code, `vault open ${vault} --device sim:one`, {
    env,
    ...(person === undefined ? {} : { person }),
  });
}

test.each(["HSMADM_PASSPHRASE_HELPER", "TZPFMS_PASSPHRASE_HELPER"])("%s gives the PIN", async (variable) => {
  await open(0, `echo ${secrets.pin}`, variable);
});

test("ours is asked before that of tzpfms", async () => {
  const env = { HSMADM_PASSPHRASE_HELPER: `echo ${secrets.pin}`, TZPFMS_PASSPHRASE_HELPER: "exit 1" };
  await officer.gets(0, `vault open ${vault} --device sim:one`, { env });
});

test.each([
  ["fails", "exit 3", "failed with exit code 3"],
  ["dies", "kill -9 $$", "died of signal SIGKILL"],
  ["prints nothing", "true", "gave nothing"],
])("a helper that %s ends the command, and no try is spent", async (_, helper, words) => {
  const { stderr } = await open(10, helper);
  expect(stderr).toContain(words);
  expect(await officer.tries("one")).toMatchObject({ user: 3 });
});

test("one that is not there leaves it to the terminal", async () => {
  const person = new TypingPerson(secrets.pin);
  await open(0, "no-such-helper-here", "HSMADM_PASSPHRASE_HELPER", person);
  expect(person.left).toBe(0);
});

test("it is not asked for a card without the key", async () => {
  await officer.token("empty", "ec:p256 other");
  const env = { HSMADM_PASSPHRASE_HELPER: `touch ${world.path("asked")}; echo 1` };
  await officer.gets(3, `vault open ${vault} --device sim:empty`, { env });
  expect((await officer.gets(0, `vault status ${vault}`)).stdout).toContain("slot 1");
  expect(existsSync(world.path("asked"))).toBe(false);
});
