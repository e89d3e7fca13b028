import { scryptSync } from "node:crypto";
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { fromHex } from "../../src/bytes/hex.ts";
import { HsmError } from "../../src/errors.ts";
import { fileLedger } from "../../src/services/pins/ledger.ts";

const tokenA = "AA".repeat(32);
const tokenB = "BB".repeat(32);
const pin = (text: string): Uint8Array => new TextEncoder().encode(text);

let folder: string;
let path: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "hsmadm-ledger-"));
  path = join(folder, "state", "refused-pins.json");
});
afterEach(() => rm(folder, { recursive: true }));

describe("what it remembers", () => {
  test("a refused PIN, while the counter is what it was after the refusal", async () => {
    await fileLedger(path).noteRefused(tokenA, "user-pin", pin("111111"), 2);
    const next = fileLedger(path); // Another command.
    expect(await next.wasRefused(tokenA, "user-pin", pin("111111"), 2)).toBe(true);
    expect(await next.wasRefused(tokenA, "user-pin", pin("111112"), 2)).toBe(false);
    expect(await next.wasRefused(tokenA, "user-pin", pin("111111"), 3)).toBe(false);
    expect(await next.wasRefused(tokenA, "user-pin", pin("111111"), 1)).toBe(false);
  });

  test("both PINs of several tokens, apart from each other", async () => {
    const ledger = fileLedger(path);
    await ledger.noteRefused(tokenA, "user-pin", pin("111111"), 2);
    await ledger.noteRefused(tokenA, "so-pin", pin("12345678"), 14);
    await ledger.noteRefused(tokenB, "user-pin", pin("222222"), 1);
    expect(await ledger.wasRefused(tokenA, "user-pin", pin("111111"), 2)).toBe(true);
    expect(await ledger.wasRefused(tokenA, "so-pin", pin("12345678"), 14)).toBe(true);
    expect(await ledger.wasRefused(tokenB, "user-pin", pin("222222"), 1)).toBe(true);
    expect(await ledger.wasRefused(tokenB, "user-pin", pin("111111"), 2)).toBe(false);
    expect(await ledger.wasRefused(tokenB, "so-pin", pin("12345678"), 14)).toBe(false);
    await ledger.noteAccepted(tokenA, "user-pin");
    expect(await ledger.wasRefused(tokenA, "user-pin", pin("111111"), 2)).toBe(false);
    expect(await ledger.wasRefused(tokenA, "so-pin", pin("12345678"), 14)).toBe(true);
  });

  test("the last refusal only", async () => {
    const ledger = fileLedger(path);
    await ledger.noteRefused(tokenA, "user-pin", pin("111111"), 2);
    await ledger.noteRefused(tokenA, "user-pin", pin("222222"), 1);
    expect(await ledger.wasRefused(tokenA, "user-pin", pin("222222"), 1)).toBe(true);
    expect(await ledger.wasRefused(tokenA, "user-pin", pin("111111"), 1)).toBe(false);
  });

  test("the hidden counter of a transport PIN counts like any other", async () => {
    const ledger = fileLedger(path);
    await ledger.noteRefused(tokenA, "user-pin", pin("111111"), -1);
    expect(await ledger.wasRefused(tokenA, "user-pin", pin("111111"), -1)).toBe(true);
  });

  test("nothing where the counter could not be read: an older entry is out of date, too", async () => {
    const ledger = fileLedger(path);
    await ledger.noteRefused(tokenA, "user-pin", pin("111111"), 2);
    await ledger.noteRefused(tokenA, "user-pin", pin("222222"), null);
    expect(await ledger.wasRefused(tokenA, "user-pin", pin("111111"), 2)).toBe(false);
  });

  test("nothing of a token without an identity: it would be mistaken for others", async () => {
    const ledger = fileLedger(path);
    await ledger.noteRefused("", "user-pin", pin("111111"), 2);
    expect(await ledger.wasRefused("", "user-pin", pin("111111"), 2)).toBe(false);
    await expect(readdir(folder)).resolves.toEqual([]);
  });

  test("notes made at the same time are all kept", async () => {
    const ledger = fileLedger(path);
    await Promise.all(
      [tokenA, tokenB].flatMap((token) => [
        ledger.noteRefused(token, "user-pin", pin("111111"), 2),
        ledger.noteRefused(token, "so-pin", pin("12345678"), 14),
      ]),
    );
    for (const token of [tokenA, tokenB]) {
      expect(await ledger.wasRefused(token, "user-pin", pin("111111"), 2)).toBe(true);
      expect(await ledger.wasRefused(token, "so-pin", pin("12345678"), 14)).toBe(true);
    }
  });
});

describe("the file", () => {
  test("is the owner's alone, in a folder of the owner's alone, and nothing lies beside it", async () => {
    await fileLedger(path).noteRefused(tokenA, "user-pin", pin("111111"), 2);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect((await stat(join(folder, "state"))).mode & 0o777).toBe(0o700);
    expect(await readdir(join(folder, "state"))).toEqual(["refused-pins.json"]);
  });

  test("has the format of docs/ledger.md and no PIN in it", async () => {
    await fileLedger(path).noteRefused(tokenA, "user-pin", pin("483920"), 2);
    await fileLedger(path).noteRefused(tokenA, "so-pin", fromHex("3537363231383830"), 14);
    const text = await readFile(path, "utf8");
    expect(text).not.toMatch(/483920|34383339|3537363231383830|57621880/);
    const { schemaVersion, entries } = JSON.parse(text);
    expect(schemaVersion).toBe(1);
    expect(entries.map((entry: object) => Object.keys(entry))).toEqual([
      ["token", "which", "salt", "digest", "triesLeft"],
      ["token", "which", "salt", "digest", "triesLeft"],
    ]);
    expect(entries[1].salt).toBe(entries[0].salt); // The token's own.
    const again = scryptSync("483920", fromHex(entries[0].salt), 32, { N: 32768, r: 8, p: 1, maxmem: 2 ** 26 });
    expect(again.toString("hex").toUpperCase()).toBe(entries[0].digest);
  });

  test("has another salt for each token", async () => {
    const ledger = fileLedger(path);
    await ledger.noteRefused(tokenA, "user-pin", pin("111111"), 2);
    await ledger.noteRefused(tokenB, "user-pin", pin("111111"), 2);
    const { entries } = JSON.parse(await readFile(path, "utf8"));
    expect(entries[0].salt).not.toBe(entries[1].salt);
    expect(entries[0].digest).not.toBe(entries[1].digest);
  });

  test("is not made by a success or a question", async () => {
    const ledger = fileLedger(path);
    await ledger.noteAccepted(tokenA, "user-pin");
    expect(await ledger.wasRefused(tokenA, "user-pin", pin("111111"), 2)).toBe(false);
    await expect(stat(join(folder, "state"))).rejects.toThrow("ENOENT");
  });

  test("costs no scrypt where no entry fits", async () => {
    await fileLedger(path).noteRefused(tokenA, "user-pin", pin("111111"), 2);
    const text = await readFile(path, "utf8");
    const begin = performance.now();
    const ledger = fileLedger(path);
    for (let i = 0; i < 20; i++) await ledger.wasRefused(tokenA, "user-pin", pin("111111"), 3);
    const missed = performance.now() - begin;
    const hitBegin = performance.now();
    await ledger.wasRefused(tokenA, "user-pin", pin("111111"), 2);
    expect(missed / 20).toBeLessThan((performance.now() - hitBegin) / 2);
    expect(await readFile(path, "utf8")).toBe(text);
  });
});

describe("a file that is no ledger", () => {
  const entry = { token: tokenA, which: "user-pin", salt: "00".repeat(16), digest: "00".repeat(32), triesLeft: 2 };
  const ledger = (changes: object): string => JSON.stringify({ schemaVersion: 1, entries: [{ ...entry, ...changes }] });

  test.each([
    ["", "it is not JSON"],
    ['{"schemaVersion":1,"entr', "it is not JSON"],
    ["[]", "it is no ledger"],
    ["null", "it is no ledger"],
    ['{"schemaVersion":1}', "it is no ledger"],
    ['{"schemaVersion":2,"entries":[]}', "it was written by a newer hsmadm"],
    [ledger({ which: "puk" }), "entry 1 makes no sense"],
    [ledger({ digest: "00" }), "entry 1 makes no sense"],
    [ledger({ salt: "zz" }), "entry 1 makes no sense"],
    [ledger({ triesLeft: "2" }), "entry 1 makes no sense"],
    [ledger({ token: 7 }), "entry 1 makes no sense"],
  ])("%s is refused with its name, a way out, and left as it was", async (text, reason) => {
    await mkdir(join(folder, "state"));
    await writeFile(path, text);
    const asked = await refusal(fileLedger(path).wasRefused(tokenA, "user-pin", pin("111111"), 2));
    expect(asked).toMatchObject({ code: "LEDGER_UNREADABLE", kind: "refused" });
    expect(asked.message).toContain(path);
    expect(asked.message).toContain(`${reason}, so the PIN was NOT sent`);
    expect(asked.advice).toContain("--no-ledger");
    const noted = await refusal(fileLedger(path).noteRefused(tokenA, "user-pin", pin("111111"), 2));
    expect(noted.code).toBe("LEDGER_UNREADABLE");
    expect(noted.message).not.toContain("NOT sent");
    await refusal(fileLedger(path).noteAccepted(tokenA, "user-pin"));
    expect(await readFile(path, "utf8")).toBe(text);
    expect(await readdir(join(folder, "state"))).toEqual(["refused-pins.json"]);
  });

  test("a folder in its place is refused like any other nonsense", async () => {
    await mkdir(path, { recursive: true });
    const error = await refusal(fileLedger(path).wasRefused(tokenA, "user-pin", pin("111111"), 2));
    expect(error.message).toContain("it cannot be read, so the PIN was NOT sent");
  });

  test("a folder one may not write to is said so", async () => {
    // Nobody makes files there, not even root.
    const ledger = fileLedger("/proc/self/refused-pins.json");
    const error = await refusal(ledger.noteRefused(tokenA, "user-pin", pin("111111"), 2));
    expect(error).toMatchObject({ code: "LEDGER_NOT_WRITTEN", kind: "unexpected" });
  });

  test("a folder that cannot be made is said so", async () => {
    await writeFile(join(folder, "state"), "a file");
    const error = await refusal(
      fileLedger(join(folder, "state", "x", "l.json")).noteRefused(tokenA, "user-pin", pin("1"), 2),
    );
    expect(error.advice).toContain("--no-ledger");
  });
});

async function refusal(work: Promise<unknown>): Promise<HsmError> {
  try {
    await work;
  } catch (error) {
    expect(error).toBeInstanceOf(HsmError);
    return error as HsmError;
  }
  throw new Error("nothing was refused");
}
