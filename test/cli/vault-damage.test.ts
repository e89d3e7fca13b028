import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { beforeAll, describe, expect, test } from "vitest";
import { repeatableWorld } from "../../src/simulator/repeatable-world.ts";
import { TestWorld } from "./support/test-io.ts";
import { phrases, VaultOfficer } from "./support/vault-officer.ts";

/** What an officer is told of a vault that was damaged, is locked, or has a backup beside it. */

const world = new TestWorld();
const officer = new VaultOfficer(world);
const card = "--device sim:one --pin env:PIN";
let vault = "";
let recovery = "";
let bytes: Uint8Array;

beforeAll(async () => {
  await officer.token("one");
  vault = await officer.vault("damage.vault", "one");
  recovery = `--recovery file:${vault}.recovery`;
  await officer.keeps(vault, "borg", phrases.secret, card);
  bytes = new Uint8Array(readFileSync(vault));
});

/** Tries to get the secret of a changed copy: an error of the right kind with advice, and never a byte of plaintext. */
async function refusedCopy(changed: Uint8Array, opener: string, what: string): Promise<string> {
  const copy = officer.file("changed.vault", changed);
  const { code, stdout, stderr } = await officer.does(`vault get ${copy} borg --raw ${opener}`);
  expect(stdout, what).toBe("");
  // 3: the one slot that was to open it is damaged; 7: the version is.
  expect([3, 7, 9], `${what}: ${stderr}`).toContain(code);
  expect(stderr, what).toMatch(/^hsmadm: error: .+\n(.*\n)*hsmadm: hint: ./);
  return `exit ${code}`;
}

describe("a changed file gives an error and advice, never wrong plaintext", () => {
  test("one bit flipped, at three hundred places", { timeout: 120_000 }, async () => {
    const { random } = repeatableWorld("flipped bits");
    const seen = new Map<string, number>();
    for (let i = 0; i < 300; i++) {
      const [high = 0, low = 0, bit = 0] = random(3);
      const at = ((high << 8) | low) % bytes.length;
      const changed = bytes.slice();
      changed[at] = (changed[at] ?? 0) ^ (1 << (bit % 8));
      const how = await refusedCopy(changed, i % 10 === 0 ? card : recovery, `byte ${at}, bit ${bit % 8}`);
      seen.set(how, (seen.get(how) ?? 0) + 1);
    }
    expect(seen.get("exit 9")).toBeGreaterThan(200);
  });

  test("cut off anywhere, or with something behind it", { timeout: 60_000 }, async () => {
    for (let length = 0; length < bytes.length; length += 61) {
      await refusedCopy(bytes.subarray(0, length), recovery, `${length} bytes`);
    }
    await refusedCopy(bytes.subarray(0, -1), recovery, "one byte less");
    await refusedCopy(Uint8Array.from([...bytes, 0]), recovery, "one byte more");
  });

  test("status says what is wrong, too", async () => {
    const cut = officer.file("cut.vault", bytes.subarray(0, 300));
    expect(await officer.refused(9, `vault status ${cut}`)).toMatchObject({ kind: "check-failed" });
  });
});

describe("a lock", () => {
  const locked = (holder: object) => writeFileSync(`${vault}.lock`, `${JSON.stringify(holder)}\n`);
  const set = () => officer.refused(8, `vault set ${vault} other --in ${officer.file("other", "x")} ${card}`);

  test("of a process on another computer: the message says whose, and which file to remove", async () => {
    locked({ pid: 4711, host: "the-other-host", began: "1", since: "2026-11-20T10:00:00.000Z" });
    const refused = await set();
    expect(refused).toMatchObject({
      code: "VAULT_LOCKED",
      message: `${vault} is being written by process 4711 on the-other-host since 2026-11-20T10:00:00.000Z`,
      advice: `whether it still runs can be told on the-other-host alone; when it does not, remove ${vault}.lock`,
    });
    // Reading needs no lock, and what the advice says helps.
    await officer.gets(0, `vault open ${vault} ${card}`);
    rmSync(`${vault}.lock`);
    await officer.keeps(vault, "other", "x", card);
    await officer.gets(0, `vault rm ${vault} other ${card}`);
  });

  test("of a living process here: wait; of a dead one: nobody has to do anything", async () => {
    locked({ pid: process.ppid, host: hostname(), began: null, since: "now" });
    expect((await set())["advice"]).toBe(`wait until process ${process.ppid} has ended, it gives the lock back`);
    locked({ pid: process.pid, host: hostname(), began: "1", since: "then" });
    await officer.keeps(vault, "other", "x", card);
    await officer.gets(0, `vault rm ${vault} other ${card}`);
    expect(existsSync(`${vault}.lock`)).toBe(false);
  });

  test("that nobody can read: it is not taken for a dead one", async () => {
    writeFileSync(`${vault}.lock`, "");
    expect((await set())["advice"]).toContain(`remove ${vault}.lock`);
    rmSync(`${vault}.lock`);
  });
});

describe("FILE.bak", () => {
  const bak = () => readFileSync(`${vault}.bak`);

  test("is the file before the last write, and opens on purpose only", async () => {
    const before = readFileSync(vault);
    await officer.keeps(vault, "new", "x", card);
    expect(bak()).toEqual(before);
    const restored = officer.file("damage.vault", before);
    expect(await officer.refused(9, `vault open ${restored} ${card}`)).toMatchObject({ code: "VAULT_ROLLBACK" });
    await officer.gets(0, `vault open ${restored} --allow-rollback ${card}`);
  });

  test("of an earlier write stays with --no-backup, and that is said", async () => {
    const before = bak();
    const { stderr } = await officer.gets(0, `vault rm ${vault} borg --no-backup ${card}`);
    expect(stderr).toContain(`${vault}.bak is left as an earlier write made it`);
    expect(bak()).toEqual(before);
    rmSync(`${vault}.bak`);
    const again = await officer.gets(
      0,
      `vault set ${vault} borg --in ${officer.file("borg", phrases.secret)} --no-backup ${card}`,
    );
    expect(again.stderr).not.toContain(".bak");
    expect(existsSync(`${vault}.bak`)).toBe(false);
  });
});

test("nothing secret was printed", () => {
  for (const secret of Object.values(phrases)) expect(world.printed).not.toContain(secret);
});
