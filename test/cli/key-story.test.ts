import { readFileSync, writeFileSync } from "node:fs";
import { beforeAll, describe, expect, test, vi } from "vitest";
import { fromHex } from "../../src/bytes/hex.ts";
import type { CommandContext } from "../../src/cli/context.ts";
import { Officer, secretEnv, secrets } from "./support/officer.ts";
import { TestWorld, TypingPerson } from "./support/test-io.ts";

vi.mock("../../src/crypto/shares/share-key.ts", async (original) =>
  (await import("./support/fewer-rounds.ts")).fewerRounds(original),
);

/** A token in a reader that was named by its label: `--yes` alone must not destroy anything on it. */
vi.mock("../../src/cli/devices/reader-device.ts", async () => ({
  async openInReader(context: CommandContext) {
    const { openSimulated } = await import("../../src/cli/devices/simulated-device.ts");
    return { ...(await openSimulated(context, "named")), exact: false };
  },
}));

const world = new TestWorld();
const officer = new Officer(world);
Object.assign(secretEnv, { SHAREPW: "password" });
const share = world.path("share.pbe");
const data = world.path("data");

/** Presses Ctrl-C when this is written to standard error. */
const pressAt = (words: string) => ({ onStderr: (text: string) => text.includes(words) && world.signal("SIGINT") });

async function labels(name: string): Promise<unknown[]> {
  const { keys } = (await officer.document(0, `key list --device sim:${name}`)) as { keys: { label: string }[] };
  return keys.map(({ label }) => label);
}

beforeAll(() => {
  writeFileSync(data, "to be signed");
  const { cases } = JSON.parse(readFileSync(new URL("../vectors/dkek_share_file.json", import.meta.url), "utf8")) as {
    cases: readonly { iterations: number; file: string }[];
  };
  writeFileSync(share, fromHex(cases.find((one) => one.iterations === 1000)?.file ?? ""));
});

describe("Ctrl-C", () => {
  test("while a key is made: 130, and what is left is told and can be finished", async () => {
    await officer.initialised("ctrl-c");
    const at = "--pin env:PIN --device sim:ctrl-c";
    const line = `key generate --type ec:p256 --label mine ${at}`;
    const { stderr } = await officer.gets(130, line, pressAt("generating"));
    const [, ref = ""] = /hsmadm key delete (ref:\d+)/.exec(stderr) ?? [];
    if (ref !== "") await officer.gets(0, `key delete ${ref} --yes ${at}`);
    expect(await labels("ctrl-c")).toEqual([]);
    await officer.gets(0, line);
    expect(await labels("ctrl-c")).toEqual(["mine"]);
  });

  test("while a share is opened: 130, no try spent, nothing sent", async () => {
    const init = "--label open --so-pin env:SO --pin env:PIN --dkek-shares 1 --device sim:open";
    await officer.gets(0, `device init ${init}`);
    await officer.gets(0, `share import ${share} --password env:SHAREPW --pin env:PIN --device sim:open`);
    writeFileSync(world.path("aes"), new Uint8Array(16).fill(1));
    const line = `key import ${world.path("aes")} --aes --label aes --share ${share} --share-password env:SHAREPW`;
    await officer.gets(130, `${line} --pin env:PIN --device sim:open`, pressAt("%"));
    expect(await labels("open")).toEqual([]);
    expect(await officer.tries("open")).toEqual({ user: 3, so: 15 });
    await officer.gets(0, `${line} --pin env:PIN --device sim:open`);
  });
});

describe("the PIN", () => {
  test("is asked for where it is not given, after the key was found, with the tries that are left", async () => {
    await officer.initialised("ask");
    await officer.gets(0, "key generate --type ec:p256 --label sig --device sim:ask --pin env:PIN");
    const person = new TypingPerson(secrets.pin);
    await officer.gets(0, `key sign sig --in ${data} --device sim:ask`, { person });
    expect(person.prompts).toEqual([expect.stringMatching(/^ask, UTSIM\w+, SIMULATED: user PIN \(3 tries left/)]);
    const nobody = new TypingPerson();
    await officer.gets(2, `key sign other --in ${data} --device sim:ask`, { person: nobody });
    expect(nobody.prompts).toEqual([]);
    await officer.gets(2, `key sign sig --in ${data} --device sim:ask`);
  });

  test("a wrong one costs one try and leaves no file; the same again is not sent", async () => {
    await officer.initialised("wrong");
    await officer.gets(0, "key generate --type ec:p256 --label sig --device sim:wrong --pin env:PIN");
    const out = world.path("never.sig");
    const line = `key sign sig --in ${data} --out ${out} --pin env:WRONG --device sim:wrong`;
    await officer.gets(4, line);
    await officer.gets(5, line);
    expect(await officer.tries("wrong")).toEqual({ user: 2, so: 15 });
    expect(() => readFileSync(out)).toThrow();
  });
});

test("key delete --yes wants a --device that names this very token: its label is not enough", async () => {
  await officer.initialised("named");
  await officer.gets(0, "key generate --type ec:p256 --label precious --device sim:named --pin env:PIN");
  const { stderr } = await officer.gets(2, "key delete precious --yes --device named --pin env:PIN");
  expect(stderr).toContain("does not name this very token");
  expect(await labels("named")).toEqual(["precious"]);
});

test("delete and rename look at the whole token, whatever is remembered", async () => {
  await officer.initialised("twins");
  const at = "--pin env:PIN --device sim:twins";
  await officer.gets(0, `key generate --type ec:p256 --label twin ${at}`);
  await officer.gets(0, `key sign twin --in ${data} ${at}`);
  // As another program would: nothing of it is in our memory.
  const elsewhere = { HSMADM_KEY_CACHE: "off" };
  const memory = world.path("keys.json");
  const before = readFileSync(memory);
  await officer.gets(0, `key generate --type ec:p256 --label twin --allow-duplicate ${at}`, { env: elsewhere });
  writeFileSync(memory, before);
  await officer.gets(0, `key sign twin --in ${data} ${at}`);
  for (const verb of ["delete twin --yes", "rename twin other"]) {
    const { stderr } = await officer.gets(2, `key ${verb} ${at}`);
    expect(stderr).toContain("may be any of 2 keys");
  }
});

test("a token with key domains: keys are made in one, and move to the same one elsewhere", async () => {
  for (const name of ["from", "to"]) {
    const at = `--pin env:PIN --device sim:${name}`;
    await officer.gets(0, `device init --label ${name} --so-pin env:SO --key-domains 2 ${at}`);
    await officer.gets(0, `domain create 1 ${at}`);
    await officer.gets(0, `share import ${share} --password env:SHAREPW --domain 1 ${at}`);
  }
  await officer.gets(0, "key generate --type ec:p256 --label d1 --domain 1 --pin env:PIN --device sim:from");
  const { key } = (await officer.document(0, "key show d1 --device sim:from")) as { key: { domain: number } };
  expect(key.domain).toBe(1);
  const file = world.path("d1.key");
  await officer.gets(0, `key wrap d1 --out ${file} --pin env:PIN --device sim:from`);
  await officer.gets(0, `key unwrap ${file} --pin env:PIN --device sim:to`);
  await officer.gets(0, `key sign d1 --in ${data} --pin env:PIN --device sim:to`);
});
