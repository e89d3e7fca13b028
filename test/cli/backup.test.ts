import { chmodSync, existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { beforeAll, describe, expect, test, vi } from "vitest";
import { standardStack } from "../../src/apdu/standard-stack.ts";
import { utf8Bytes } from "../../src/bytes/bytes.ts";
import { fromHex } from "../../src/bytes/hex.ts";
import { SmartCardHsm } from "../../src/cards/smartcard-hsm/smartcard-hsm.ts";
import { readBackupFile, writeBackupFile } from "../../src/crypto/backup/backup-file.ts";
import { sealShareFile } from "../../src/crypto/shares/dkek-share-file.ts";
import { openTokenFile } from "../../src/simulator/token-store.ts";
import { defaultWorld } from "../../src/simulator/world.ts";
import { violations } from "./support/json-schema.ts";
import { Officer, secrets } from "./support/officer.ts";
import { TestWorld, TypingPerson } from "./support/test-io.ts";

vi.mock("../../src/crypto/shares/share-key.ts", async (original) =>
  (await import("./support/fewer-rounds.ts")).fewerRounds(original),
);

// No backup command may look for a reader unless it was sent to one.
vi.mock("../../src/transport/pcsc/pcsc.ts", () => {
  throw new Error("a way to readers was loaded");
});

const world = new TestWorld();
const officer = new Officer(world);
const password = "31cU81vd-of-the-share";
const env = { PW: password };
const share = "00112233445566778899AABBCCDDEEFF00112233445566778899AABBCCDDEEF0";
const otherShare = fromHex(share).map((byte) => byte ^ 0x5a);
const seconds = 60_000;

const path = (name: string): string => world.path(name);
const token = (name: string): string => `--device sim:${name} --pin env:PIN`;
const shareOptions = (name = "share.pbe"): string => `--share ${path(name)} --share-password env:PW`;

async function fits(schema: string, code: number, argv: string): Promise<Record<string, unknown>> {
  const document = await officer.document(code, argv, { env });
  const file = fileURLToPath(new URL(`../../docs/schema/${schema.replaceAll(" ", "-")}.json`, import.meta.url));
  expect(violations(JSON.parse(readFileSync(file, "utf8")) as Record<string, unknown>, document), argv).toEqual([]);
  return document;
}

/** A token with the DKEK of this share. Its password would take seconds each time, so the share goes in by itself. */
async function withDkek(name: string, bytes = fromHex(share)): Promise<void> {
  const init = `device init --device sim:${name} --label ${name} --so-pin env:SO --pin env:PIN --dkek-shares 1`;
  await officer.gets(0, init);
  const channel = await openTokenFile(join(world.home, "simulator", `${name}.json`), { world: defaultWorld() });
  try {
    const card = await SmartCardHsm.open(standardStack(channel, { deadlineMs: 10_000 }));
    await card.verifyUserPin(utf8Bytes(secrets.pin));
    await card.importDkekShare(bytes);
  } finally {
    await channel.close();
  }
}

beforeAll(async () => {
  writeFileSync(path("share.pbe"), await sealShareFile(fromHex(share), utf8Bytes(password)), { mode: 0o600 });
  writeFileSync(path("other.pbe"), await sealShareFile(otherShare, utf8Bytes(password)), { mode: 0o600 });
  await withDkek("a");
  await withDkek("b");
  await officer.gets(0, `key generate --type ec:p256 --label signing ${token("a")}`);
  await officer.gets(0, `key generate --type rsa:1024 --label other ${token("a")}`);
  await officer.gets(0, `key generate --type aes:256 --label secret ${token("a")}`);
  await officer.gets(0, `backup create ${path("a.bak")} ${token("a")}`);
}, seconds);

const bytesOf = (name: string): Uint8Array => new Uint8Array(readFileSync(path(name)));

describe("create", () => {
  test("writes one file that nobody else may read, and says what is in it", async () => {
    const document = await fits("backup create", 0, `backup create ${path("c.bak")} ${token("a")}`);
    expect(statSync(path("c.bak")).mode & 0o777).toBe(0o600);
    expect(document).toMatchObject({ ok: true, notExported: [], keys: [{ label: "signing" }, {}, { kind: "aes" }] });
    expect(readBackupFile(bytesOf("c.bak")).keys.length).toBe(3);
    expect(readdirSync(world.home).filter((name) => name.endsWith(".tmp"))).toEqual([]);
  });

  test("an existing file is left as it is, unless --yes", async () => {
    writeFileSync(path("there"), "old");
    await officer.gets(8, `backup create ${path("there")} ${token("a")}`);
    expect(readFileSync(path("there"), "utf8")).toBe("old");
    await officer.gets(0, `backup create ${path("there")} ${token("a")} --yes`);
    expect(readBackupFile(bytesOf("there")).keys.length).toBe(3);
  });

  test("where nothing can be written no PIN is presented", async () => {
    const before = await officer.tries("a");
    await officer.gets(11, `backup create ${path("no/folder/x")} --device sim:a --pin env:WRONG`);
    expect(await officer.tries("a")).toEqual(before);
  });

  test("--dry-run writes nothing and wants no PIN", async () => {
    const document = await fits("backup create", 0, `backup create ${path("d.bak")} --device sim:a --dry-run`);
    expect(document).toMatchObject({ dryRun: true, keys: [{ label: "signing" }, {}, {}] });
    expect(existsSync(path("d.bak"))).toBe(false);
  });

  test("a key that may not leave is listed, exit 13, the others are in the file", async () => {
    await withDkek("stays");
    await officer.gets(0, `key generate --type ec:p256 --label leaves ${token("stays")}`);
    await officer.gets(0, `key generate --type aes:128 --label stays --algorithms aes-encrypt ${token("stays")}`);
    const document = await fits("backup create", 13, `backup create ${path("s.bak")} ${token("stays")}`);
    expect(document).toMatchObject({ ok: false, keys: [{ label: "leaves" }], notExported: [{ label: "stays" }] });
    const { stdout } = await officer.gets(13, `backup verify ${path("s.bak")} ${shareOptions()}`, { env });
    expect(stdout).toContain("NOT ALL CHECKED");
  }, 20_000);

  test.each([
    ["no DKEK", "none", 7],
    ["shares that are missing", "2", 5],
  ])("a token with %s is refused", async (_, shares, code) => {
    const name = `no${shares}`;
    await officer.gets(0, `device init --device sim:${name} --so-pin env:SO --pin env:PIN --dkek-shares ${shares}`);
    await officer.gets(code, `backup create ${path("never")} ${token(name)}`);
    expect(existsSync(path("never"))).toBe(false);
  });

  test("a wrong PIN: exit 4, no file", async () => {
    await officer.gets(4, `backup create ${path("never")} --device sim:b --pin env:WRONG --no-ledger`);
    expect(existsSync(path("never"))).toBe(false);
  });
});

describe("list", () => {
  test("says what is in the file, without a token", async () => {
    const document = await fits("backup list", 0, `backup list ${path("a.bak")}`);
    expect(document).toMatchObject({ device: { label: "a", simulated: true }, keys: [{ reference: 1 }, {}, {}] });
    const { stdout } = await officer.gets(0, `backup list ${path("a.bak")}`);
    for (const part of ["SIMULATED", "signing", "EC secp256r1", "AES-256"]) expect(stdout).toContain(part);
  });

  test("damaged, cut, foreign, newer, not there", async () => {
    const good = bytesOf("a.bak");
    writeFileSync(path("bad"), good.with(200, (good[200] as number) ^ 1));
    await officer.gets(9, `backup list ${path("bad")}`);
    writeFileSync(path("bad"), good.subarray(0, 900));
    await officer.gets(9, `backup list ${path("bad")}`);
    await officer.gets(9, `backup list ${path("share.pbe")}`);
    writeFileSync(path("bad"), new TextDecoder().decode(good).replace("hsmadm-backup 1", "hsmadm-backup 2"));
    await officer.gets(7, `backup list ${path("bad")}`);
    await officer.gets(2, `backup list ${path("not-there")}`);
  });
});

describe("verify", () => {
  test("without shares: 13, each check that was not done is listed", async () => {
    const document = await fits("backup verify", 13, `backup verify ${path("a.bak")}`);
    expect(document).toMatchObject({ ok: false, outcome: "incomplete" });
  });

  test("with the share: every check done, exit 0", async () => {
    const document = await fits("backup verify", 0, `backup verify ${path("a.bak")} ${shareOptions()}`);
    expect(document).toMatchObject({ ok: true, outcome: "verified" });
    const checks = document["checks"] as { state: string; name: string }[];
    expect(checks.length).toBe(16);
    expect(checks.every(({ state }) => state === "done")).toBe(true);
  }, 20_000);

  test("with the share of another DKEK: 9", async () => {
    const document = await fits("backup verify", 9, `backup verify ${path("a.bak")} ${shareOptions("other.pbe")}`);
    expect(document).toMatchObject({ ok: false, outcome: "failed" });
  }, 20_000);

  test("with the shares of two key domains in one go", async () => {
    const manifest = readBackupFile(bytesOf("a.bak"));
    writeFileSync(path("two.bak"), writeBackupFile({ ...manifest, keys: manifest.keys.slice(0, 1) }));
    const shares = `--share ${path("share.pbe")} --share ${path("other.pbe")} --share-password env:PW`;
    const { stdout } = await officer.gets(0, `backup verify ${path("two.bak")} ${shares}`, { env });
    expect(stdout).toContain("VERIFIED: 8 checks done, 0 failed, 0 not done");
  }, 20_000);

  test("a wrong password: 4", async () => {
    await officer.gets(4, `backup verify ${path("a.bak")} ${shareOptions()}`, { env: { PW: "quite wrong" } });
  }, 20_000);

  test("a changed blob under a digest that fits: 9, and the MAC is named", async () => {
    const manifest = readBackupFile(bytesOf("a.bak"));
    const [key, ...rest] = manifest.keys;
    if (key === undefined) throw new Error("no key");
    const blob = key.blob.with(100, (key.blob[100] as number) ^ 4);
    writeFileSync(path("forged"), writeBackupFile({ ...manifest, keys: [{ ...key, blob }, ...rest] }));
    const { stdout } = await officer.gets(9, `backup verify ${path("forged")} ${shareOptions()}`, { env });
    expect(stdout).toMatch(/key 1 "signing" +mac +FAILED/);
  }, 20_000);

  test("damage is found before anybody is asked for a password", async () => {
    const good = bytesOf("a.bak");
    writeFileSync(path("bad"), good.with(300, (good[300] as number) ^ 1));
    const document = await fits("backup verify", 9, `backup verify ${path("bad")} --share ${path("share.pbe")}`);
    expect(document).toMatchObject({ outcome: "failed", device: null, keys: null });
    await officer.gets(9, `backup verify ${path("share.pbe")}`);
  });

  test("--trace is refused: there is nothing to record", async () => {
    await officer.gets(2, `backup verify ${path("a.bak")} --trace ${path("t.apdu")}`);
    await officer.gets(2, `backup list ${path("a.bak")} --trace ${path("t.apdu")}`);
  });
});

describe("restore", () => {
  test("--dry-run, then for real, then nothing left to do", async () => {
    const plan = await fits("backup restore", 0, `backup restore ${path("a.bak")} --device sim:b --dry-run`);
    expect(plan).toMatchObject({ dryRun: true, keys: [{ action: "write", done: null }, {}, {}] });
    expect(await fits("key list", 0, "key list --device sim:b")).toMatchObject({ keys: [] });

    const done = await fits("backup restore", 0, `backup restore ${path("a.bak")} ${token("b")}`);
    expect(done).toMatchObject({ ok: true, keys: [{ done: "written" }, { done: "written" }, { done: "written" }] });
    expect(await fits("key list", 0, "key list --device sim:b")).toMatchObject({
      keys: [{ label: "signing" }, { label: "other" }, { label: "secret" }],
    });
    const again = await fits("backup restore", 0, `backup restore ${path("a.bak")} ${token("b")}`);
    expect(again).toMatchObject({ ok: true, keys: [{ action: "skip" }, { action: "skip" }, { action: "skip" }] });
  });

  test("Ctrl-C in the middle: 130, and the same command goes on", async () => {
    await withDkek("i");
    const onStderr = (text: string) => {
      if (text.includes("restoring key 2")) world.signal("SIGINT");
    };
    const line = `backup restore ${path("a.bak")} ${token("i")}`;
    const stopped = await officer.gets(130, line, { onStderr });
    expect(stopped.stderr).toContain("1 of 3 keys were restored");
    const done = await fits("backup restore", 0, line);
    expect(done).toMatchObject({ keys: [{ action: "skip" }, { done: "written" }, { done: "written" }] });
  }, 20_000);

  test("keys in the way: 8; --replace wants the serial typed, or --yes with an exact --device", async () => {
    await withDkek("w");
    await officer.gets(0, `key generate --type ec:p256 --label mine ${token("w")}`);
    const line = `backup restore ${path("a.bak")} ${token("w")}`;
    const { stderr } = await officer.gets(8, line);
    expect(stderr).toContain('key 1 "mine"');
    const plan = await fits("backup restore", 0, `${line} --replace --dry-run`);
    expect(plan).toMatchObject({ keys: [{ action: "replace", inTheWay: [{ label: "mine" }] }, {}, {}] });
    await officer.gets(2, `${line} --replace`);
    const done = await fits("backup restore", 0, `${line} --replace --yes`);
    expect(done).toMatchObject({ keys: [{ done: "replaced" }, { done: "written" }, { done: "written" }] });
  }, 20_000);

  test("another serial typed: 10, and the key in the way stays", async () => {
    await withDkek("y");
    await officer.gets(0, `key generate --type ec:p256 --label mine ${token("y")}`);
    const line = `backup restore ${path("a.bak")} ${token("y")} --replace`;
    const person = new TypingPerson("UTSIM00000");
    const { stderr } = await officer.gets(10, line, { person });
    expect(stderr).toContain('key 1 "mine"');
    expect(await officer.document(0, "key list --device sim:y")).toMatchObject({ keys: [{ label: "mine" }] });
    const [, serial = ""] = /Type the serial (\w+)/.exec(person.prompts[0] ?? "") ?? [];
    await officer.gets(0, line, { person: new TypingPerson(serial) });
    expect(await officer.document(0, "key list --device sim:y")).toMatchObject({
      keys: [{ label: "signing" }, {}, {}],
    });
  });

  test("another DKEK: 9, also in a dry run, nothing written", async () => {
    await withDkek("o", otherShare);
    await officer.gets(9, `backup restore ${path("a.bak")} --device sim:o --dry-run`);
    await officer.gets(9, `backup restore ${path("a.bak")} ${token("o")}`);
    expect(await officer.document(0, "key list --device sim:o")).toMatchObject({ keys: [] });
  }, 20_000);

  test("a damaged backup touches no token", async () => {
    writeFileSync(path("bad"), bytesOf("a.bak").subarray(0, 500));
    const before = await officer.tries("b");
    await officer.gets(9, `backup restore ${path("bad")} --device sim:b --pin env:WRONG`);
    expect(await officer.tries("b")).toEqual(before);
  });
});

describe("clone", () => {
  test("from one token to another, no file between them; again there is nothing to do", async () => {
    await withDkek("k");
    const files = readdirSync(world.home);
    const plan = await fits("backup clone", 0, "backup clone sim:a sim:k --dry-run");
    expect(plan).toMatchObject({ dryRun: true, keys: [{ action: "write" }, {}, {}] });
    const done = await fits("backup clone", 0, "backup clone sim:a sim:k --pin env:PIN");
    expect(done).toMatchObject({ from: { label: "a" }, token: { label: "k" }, keys: [{ done: "written" }, {}, {}] });
    expect(readdirSync(world.home).filter((name) => !files.includes(name) && name !== "keys.json")).toEqual([]);
    const again = await fits("backup clone", 0, "backup clone sim:a sim:k --pin env:PIN");
    expect(again).toMatchObject({ keys: [{ action: "skip" }, { action: "skip" }, { action: "skip" }] });
  }, 20_000);

  test("the PIN of TO may be another", async () => {
    await officer.gets(0, "pin change --device sim:b --pin env:PIN --new-pin env:NEW");
    await officer.gets(0, "backup clone sim:b sim:a --pin env:NEW --to-pin env:PIN");
    await officer.gets(0, "pin change --device sim:b --pin env:NEW --new-pin env:PIN");
  });

  test("both in one trace, which replays nothing secret", async () => {
    await withDkek("t");
    await officer.gets(0, `backup clone sim:a sim:t --pin env:PIN --trace ${path("clone.apdu")}`);
    const trace = readFileSync(path("clone.apdu"), "utf8");
    expect(trace).toContain("sim:a");
    expect(trace).toContain("sim:t");
    expect(trace.toLowerCase()).not.toContain(Buffer.from(secrets.pin).toString("hex"));
  }, 20_000);

  test("one token under two names", async () => {
    const state = readFileSync(join(world.home, "simulator", "a.json"));
    writeFileSync(join(world.home, "simulator", "a2.json"), state, { mode: 0o600 });
    const { stderr } = await officer.gets(2, "backup clone sim:a sim:a2 --pin env:PIN");
    expect(stderr).toContain("the same token");
  });

  test("a wrong PIN for TO: 4, and one try of it is gone, none of FROM", async () => {
    await withDkek("p");
    const before = await officer.tries("a");
    await officer.gets(4, "backup clone sim:a sim:p --pin env:PIN --to-pin env:WRONG");
    expect(await officer.tries("a")).toEqual(before);
    expect(await officer.tries("p")).toMatchObject({ user: 2 });
    await officer.gets(5, "backup clone sim:a sim:p --pin env:PIN --to-pin env:WRONG");
    expect(await officer.tries("p")).toMatchObject({ user: 2 });
  });

  test.each([
    ["one token twice", "backup clone sim:a sim:a --pin env:PIN", 2],
    ["--device beside them", "backup clone sim:a sim:b --device sim:a --pin env:PIN", 2],
    ["only one", "backup clone sim:a --pin env:PIN", 2],
    ["none", "backup clone none sim:b --pin env:PIN", 2],
    ["another DKEK", "backup clone sim:a sim:o2 --pin env:PIN", 9],
  ])(
    "refused: %s",
    async (_, line, code) => {
      if (code === 9) await withDkek("o2", otherShare);
      await officer.gets(code, line);
    },
    20_000,
  );
});

test("no secret in anything that was printed, nor in a backup", () => {
  const hidden = [...Object.values(secrets), password, share, share.toLowerCase()];
  const inFile = readFileSync(path("a.bak"), "utf8");
  for (const secret of hidden) {
    expect(world.printed).not.toContain(secret);
    expect(inFile).not.toContain(secret);
  }
  // Of each wrapped key nothing is printed but what it is.
  for (const { blob } of readBackupFile(bytesOf("a.bak")).keys) {
    expect(world.printed).not.toContain(Buffer.from(blob.subarray(40)).toString("hex").toUpperCase());
  }
});

test("a folder without the right to write: 11", async () => {
  if (process.getuid?.() === 0) return;
  chmodSync(world.home, 0o500);
  try {
    await officer.gets(11, `backup create ${path("x.bak")} ${token("a")}`);
  } finally {
    chmodSync(world.home, 0o700);
  }
});
