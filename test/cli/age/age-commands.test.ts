import { readFileSync } from "node:fs";
import { beforeAll, expect, test } from "vitest";
import { parseP256TagRecipient } from "../../../src/crypto/age/p256tag.ts";
import { parsePluginIdentity, parsePluginRecipient } from "../../../src/crypto/age/plugin-keys.ts";
import { TestWorld } from "../support/test-io.ts";
import { VaultOfficer } from "../support/vault-officer.ts";

const world = new TestWorld();
const officer = new VaultOfficer(world);
const device = "--device sim:one";

beforeAll(async () => {
  await officer.token(
    "one",
    "ec:brainpoolP256r1 long",
    "rsa:2048 mail",
    "ec:p256 vault",
    "ec:p256 signer --algorithms ecdsa-sha256",
    "aes:256 aes --algorithms aes-cmac",
  );
});

function linesOf(text: string): string[] {
  return text.trimEnd().split("\n");
}

test("age recipients: a file for `age -R`, what needs no plugin first; the rest is told beside it", async () => {
  const { stdout, stderr } = await officer.gets(0, `age recipients ${device}`);
  const lines = linesOf(stdout);
  expect(lines.filter((line) => line.startsWith("#"))).toEqual([
    expect.stringMatching(/^# one, UTSIM\w+, SIMULATED: key 3 "vault", EC secp256r1$/),
    expect.stringMatching(/key 2 "mail", RSA-2048$/),
    expect.stringMatching(/key 1 "long", EC brainpoolP256r1$/),
  ]);
  const [tag = "", ssh = "", own = ""] = lines.filter((line) => !line.startsWith("#"));
  expect(parseP256TagRecipient(tag)).toHaveLength(65);
  expect(ssh).toMatch(/^ssh-rsa AAAAB3NzaC1yc2E\S+ mail$/);
  expect(parsePluginRecipient(own)).toMatchObject({ kind: "ec", curve: "brainpoolP256r1" });
  expect(stderr).toMatch(/left out: key 4 "signer".* may not do ECDH/);
  expect(stderr).toMatch(/left out: key 5 "aes".*: an AES key has no public half/);
  const ofKey = await officer.gets(0, `key public mail --ssh ${device}`);
  expect(ofKey.stdout.trimEnd()).toBe(ssh);
});

test("age identity: where the keys are, one line each", async () => {
  const { stdout } = await officer.gets(0, `age identity ${device}`);
  const identities = linesOf(stdout).filter((line) => !line.startsWith("#"));
  expect(identities).toHaveLength(3);
  const document = await officer.document(0, `age identity ${device}`);
  const { serial } = document["token"] as { serial: string };
  for (const text of identities) {
    expect(text).toMatch(/^AGE-PLUGIN-HSMADM-1/);
    expect(parsePluginIdentity(text)).toMatchObject({ kind: "key", serial });
  }
  const one = await officer.gets(0, `age identity vault ${device}`);
  expect(linesOf(one.stdout)).toHaveLength(2);
});

test("age identity --any looks at no device", async () => {
  const { stdout } = await officer.gets(0, "age identity --any --device sim:never-made");
  const [, text = ""] = linesOf(stdout);
  expect(parsePluginIdentity(text)).toEqual({ kind: "any" });
  expect((await officer.gets(0, "simulator list")).stdout).not.toContain("never-made");
  expect(await officer.refused(2, `age identity vault --any ${device}`)).toMatchObject({ code: "OPTIONS_CONFLICT" });
});

test("--json", async () => {
  const recipients = await officer.fits(0, `age recipients ${device}`);
  const identity = await officer.fits(0, `age identity ${device}`);
  await officer.fits(0, "age identity --any");
  const types = (recipients["keys"] as { type: string }[]).map(({ type }) => type);
  expect(types).toEqual(["p256tag", "ssh-rsa", "hsmadm/ecdh"]);
  expect((identity["others"] as { why: string }[]).map(({ why }) => why)).toHaveLength(2);
});

test("a key that cannot be used, one that is not there, a token without any", async () => {
  expect(await officer.refused(7, `age recipients signer ${device}`)).toMatchObject({
    code: "AGE_NO_KEY",
    message: expect.stringContaining("may not do ECDH"),
  });
  expect(await officer.refused(2, `age identity nobody ${device}`)).toMatchObject({ code: "KEY_NOT_FOUND" });
  await officer.initialised("empty");
  expect(await officer.refused(7, "age recipients --device sim:empty")).toMatchObject({
    code: "AGE_NO_KEY",
    advice: expect.stringContaining("key generate"),
  });
});

test("no PIN is asked for, no try spent", async () => {
  const trace = world.path("recipients.apdu");
  await officer.gets(0, `age recipients ${device} --trace ${trace}`);
  const sent = readFileSync(trace, "utf8")
    .split("\n")
    .filter((line) => line.startsWith("> "));
  expect(sent.filter((line) => /^> 00 ?20/.test(line))).toEqual([]);
});
