import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { beforeEach, describe, expect, test } from "vitest";
import { picoFidoCommands } from "../../src/cli/fido/pico-commands.ts";
import { hostSigningKey } from "../../src/crypto/pico-fido/host-key.ts";
import { hostKeyFromWords } from "../../src/crypto/pico-fido/key-words.ts";
import { violations } from "./support/json-schema.ts";
import { Officer, secretEnv } from "./support/officer.ts";
import { TestWorld, TypingPerson } from "./support/test-io.ts";

const world = new TestWorld();
const officer = new Officer(world);
const env = { ...secretEnv, FPIN: "kX7-open-1", FWRONG: "kX7-nope-1" };
const pinOption = "--fido-pin env:FPIN";
let number = 0;
let device = "";
let files = { backup: "", words: "" };

async function gets(code: number, argv: string, options: Parameters<Officer["gets"]>[2] = {}) {
  return officer.gets(code, `--device ${device} fido ${argv}`, { ...options, env: { ...env, ...options.env } });
}

/** The document, checked against its schema. */
async function document(code: number, argv: string, schema: string, options: Parameters<Officer["gets"]>[2] = {}) {
  const found = await officer.document(code, `--device ${device} fido ${argv}`, {
    ...options,
    env: { ...env, ...options.env },
  });
  const url = new URL(`../../docs/schema/${schema}.json`, import.meta.url);
  expect(violations(JSON.parse(readFileSync(url, "utf8")), found), argv).toEqual([]);
  return found;
}

async function refusedWith(exit: number, code: string, argv: string, options: Parameters<Officer["gets"]>[2] = {}) {
  const found = await document(exit, argv, "error", options);
  expect(found).toMatchObject({ error: { code, exitCode: exit } });
  return (found["error"] as { message: string; advice: string }) ?? {};
}

/** The token was taken out and put back since the last command. */
const replugged = { env: { HSMADM_SIMULATOR_POWER: "cycle" } };

async function token(version: string): Promise<void> {
  await officer.gets(0, `simulator create ${device} --profile pico-fido-${version}`, { env });
  await gets(0, "pin set --new-pin env:FPIN");
}

async function enabled(): Promise<void> {
  await token("5.12");
  await gets(0, `secure enable ${pinOption} --words-out ${files.words}`);
}

function wordsOf(path: string): string[] {
  return (
    readFileSync(path, "utf8")
      .split("\n")
      .find((line) => /^[a-z]/.test(line)) ?? ""
  ).split(" ");
}

beforeEach(() => {
  const name = `pico${number++}`;
  device = `sim-fido:${name}`;
  files = { backup: world.path(`${name}.backup`), words: world.path(`${name}.words`) };
});

describe("the report: `backup save` is refused with 33", () => {
  test("the cause is named, and each next command leads to the backup", async () => {
    await token("5.12");
    const never = await refusedWith(5, "PICO_FIDO_NOT_ENABLED", `backup save ${files.backup}`);
    expect(never.message).toContain("the PIN was not judged");
    expect(never.advice).toContain("`hsmadm fido secure enable`");
    expect(existsSync(files.backup)).toBe(false);
    await document(0, `secure enable ${pinOption} --words-out ${files.words}`, "fido-secure-enable");
    const locked = await refusedWith(5, "PICO_FIDO_LOCKED", `backup save ${files.backup}`, replugged);
    expect(locked.advice).toContain("`hsmadm fido secure unlock`");
    await document(0, "secure unlock", "fido-secure-unlock");
    const saved = await document(0, `backup save ${files.backup}`, "fido-backup-save");
    const verified = await document(0, `backup verify ${files.backup}`, "fido-backup-verify");
    expect(verified).toMatchObject({ hostKey: saved["hostKey"], hostKeyHere: true, firmware: { version: "5.12" } });
    expect(statSync(files.backup).mode & 0o777).toBe(0o600);
  });

  test("a wrong PIN is another cause, and costs a try", async () => {
    await token("5.12");
    await refusedWith(4, "FIDO_PIN_WRONG", `secure enable --fido-pin env:FWRONG --words-out ${files.words}`);
    expect(existsSync(files.words)).toBe(false);
    expect(await document(0, "pin retries", "fido-pin-retries")).toMatchObject({ pin: { triesLeft: 7 } });
  });

  test("no PIN yet", async () => {
    await officer.gets(0, `simulator create ${device} --profile pico-fido-5.12`, { env });
    await refusedWith(5, "FIDO_PIN_NOT_SET", `backup save ${files.backup}`);
    expect(await document(0, "secure status", "fido-secure-status")).toMatchObject({ state: "never-enabled" });
  });
});

describe("fido secure status", () => {
  test("every state, without a PIN", async () => {
    await token("5.12");
    const state = async (options = {}) => (await document(0, "secure status", "fido-secure-status", options))["state"];
    expect(await state()).toBe("never-enabled");
    await gets(0, `secure enable ${pinOption} --words-out ${files.words}`);
    expect(await state()).toBe("unlocked");
    expect(await document(0, "secure status --dry-run", "fido-secure-status", replugged)).toMatchObject({
      state: "locked",
      nowUnlocked: false,
    });
    expect(await document(0, "secure status", "fido-secure-status")).toMatchObject({
      state: "locked",
      nowUnlocked: true,
    });
    await gets(0, `secure disable ${pinOption}`);
    expect(await state()).toBe("unplug-first");
    expect(await state(replugged)).toBe("never-enabled");
  });

  test("a damaged record of a host key is told, not passed over", async () => {
    await token("5.12");
    const path = world.path("pico-fido/0123456789abcdef.json");
    mkdirSync(world.path("pico-fido"), { recursive: true });
    writeFileSync(path, "{}");
    try {
      await refusedWith(9, "HOST_KEY_STORE_UNREADABLE", "secure status");
    } finally {
      rmSync(path);
    }
  });

  test.each(["7.6", "8.0"])("%s: the lock destroys, and says so", async (version) => {
    await token(version);
    const found = await document(0, "secure status", "fido-secure-status");
    expect(found).toMatchObject({ state: "never-enabled", firmware: { version, lock: "destroys" } });
    expect((await gets(0, "secure status")).stdout).toContain("DESTROYS");
    await refusedWith(
      7,
      "PICO_FIDO_LOCK_BROKEN",
      `secure enable ${pinOption} --words-out ${files.words} --accept-key-change`,
    );
    await refusedWith(7, "PICO_FIDO_LOCK_BROKEN", `backup save ${files.backup}`);
    expect(existsSync(files.words)).toBe(false);
  });
});

describe("tokens that are none of these", () => {
  test.each([
    "secure status",
    "secure enable --fido-pin env:FPIN --words-out WORDS",
    "secure unlock",
    "secure disable --fido-pin env:FPIN",
    "backup save BACKUP",
  ])("fido %s: exit 7", async (argv) => {
    await refusedWith(7, "PICO_FIDO_NOT_SUPPORTED", argv.replace("WORDS", files.words).replace("BACKUP", files.backup));
  });

  test("and nothing is touched unasked", async () => {
    for (const argv of ["secure status", "secure unlock", `backup save ${files.backup}`]) {
      await officer.gets(3, `fido ${argv}`, { env });
    }
  });
});

describe("6.6", () => {
  test("wants an explicit word to enable and to disable", async () => {
    await token("6.6");
    await refusedWith(5, "PICO_FIDO_KEY_CHANGES", `secure enable ${pinOption} --words-out ${files.words}`);
    await gets(0, `secure enable ${pinOption} --words-out ${files.words} --accept-key-change`);
    await refusedWith(5, "PICO_FIDO_KEY_CHANGES", `secure disable ${pinOption}`);
    await refusedWith(2, "CONFIRMATION_MISSING", `secure disable ${pinOption} --accept-key-change`);
    await document(0, `secure disable ${pinOption} --accept-key-change --yes`, "fido-secure-disable");
  });
});

describe("the words", () => {
  test("on a terminal they are shown once and asked back before anything is sent", async () => {
    await token("5.12");
    const wrong = new TypingPerson("zoo zoo zoo");
    await gets(10, `secure enable ${pinOption}`, { person: wrong });
    expect(wrong.prompts.join("\n")).toMatch(/Write them down/);
    expect(await document(0, "secure status", "fido-secure-status")).toMatchObject({
      state: "never-enabled",
      hostKey: null,
    });
    const reader = new TypingPerson();
    reader.readLine = async (prompt) => {
      reader.prompts.push(prompt);
      const words = [...prompt.matchAll(/\b(\d+) ([a-z]+)(?= {2}|\n)/g)].map((match) => match[2] ?? "");
      expect(words).toHaveLength(24);
      return [7, 16, 24].map((at) => words[at - 1]).join(" ");
    };
    await gets(0, `secure enable ${pinOption}`, { person: reader });
    expect(reader.prompts).toHaveLength(1);
  });

  test("without a terminal and a file there is nowhere for them: nothing is sent", async () => {
    await token("5.12");
    await refusedWith(2, "WORDS_OUT_MISSING", `secure enable ${pinOption}`);
    writeFileSync(files.words, "mine");
    await refusedWith(8, "FILE_EXISTS", `secure enable ${pinOption} --words-out ${files.words}`);
    expect(readFileSync(files.words, "utf8")).toBe("mine");
  });

  test("they are 24 of BIP-39, mode 0600, and stand in no output", async () => {
    await token("5.12");
    const { stdout, stderr } = await gets(0, `secure enable ${pinOption} --words-out ${files.words}`);
    expect(statSync(files.words).mode & 0o777).toBe(0o600);
    const words = wordsOf(files.words);
    expect(hostKeyFromWords(words.join(" "))).toHaveLength(32);
    expect(`${stdout}${stderr}`).not.toContain(words.slice(0, 3).join(" "));
    const again = world.path(`again${number}`);
    await gets(0, `backup save ${files.backup} --words-out ${again}`);
    expect(wordsOf(again)).toEqual(words);
  });
});

describe("another computer", () => {
  /** A computer that has never seen the token: its state folder moved away, the token's file brought along. */
  async function elsewhere(work: () => Promise<void>): Promise<void> {
    const folder = world.path("pico-fido");
    const names = readdirSync(folder);
    const kept = names.map((name) => readFileSync(`${folder}/${name}`));
    rmSync(folder, { recursive: true });
    try {
      await work();
    } finally {
      mkdirSync(folder, { recursive: true, mode: 0o700 });
      for (const [i, name] of names.entries()) writeFileSync(`${folder}/${name}`, kept[i] ?? "", { mode: 0o600 });
    }
  }

  test("unlock makes no key; with the words it unlocks and keeps them", async () => {
    await enabled();
    await elsewhere(async () => {
      const found = await refusedWith(5, "PICO_FIDO_OTHER_KEY", "secure unlock", replugged);
      expect(found.advice).toContain("--words");
      expect(existsSync(world.path("pico-fido"))).toBe(false);
      expect(await document(0, "secure status", "fido-secure-status")).toMatchObject({
        state: "other-key",
        nowUnlocked: false,
      });
      await document(0, `secure unlock --words file:${files.words}`, "fido-secure-unlock");
      expect(await document(0, "secure status", "fido-secure-status")).toMatchObject({ state: "unlocked" });
      await document(0, "secure unlock", "fido-secure-unlock", replugged);
    });
  });

  test("unlock with the older tool's key, as its keyring has it", async () => {
    await enabled();
    const pem = String(
      hostSigningKey(hostKeyFromWords(wordsOf(files.words).join(" "))).export({ format: "pem", type: "pkcs8" }),
    );
    const wrong = String(hostSigningKey(new Uint8Array(32).fill(3)).export({ format: "pem", type: "pkcs8" }));
    await elsewhere(async () => {
      const options = { env: { ...replugged.env, PEM: wrong } };
      await refusedWith(5, "PICO_FIDO_OTHER_KEY", "secure unlock --host-key env:PEM", options);
      expect(existsSync(world.path("pico-fido"))).toBe(false);
      await gets(0, "secure unlock --host-key env:PEM", { env: { PEM: pem } });
      await refusedWith(9, "HOST_KEY_INVALID", "secure unlock --host-key env:PEM", { env: { PEM: "no PEM" } });
      await refusedWith(2, "OPTIONS_CONFLICT", `secure unlock --host-key env:PEM --words file:${files.words}`, {
        env: { PEM: pem },
      });
    });
  });

  test("verify and load with the words; the old token's credentials are lost, so it asks", async () => {
    await enabled();
    await gets(0, `backup save ${files.backup}`);
    const first = device;
    device = `${first}b`;
    await token("5.12");
    await elsewhere(async () => {
      await refusedWith(9, "HOST_KEY_MISSING", `backup verify ${files.backup}`);
      await refusedWith(9, "HOST_KEY_MISSING", `backup load ${files.backup} --yes`);
      await document(0, `backup verify ${files.backup} --words file:${files.words}`, "fido-backup-verify");
      const load = `backup load ${files.backup} --words file:${files.words}`;
      await document(0, `${load} --dry-run`, "fido-backup-load");
      expect(await document(0, "secure status", "fido-secure-status")).toMatchObject({ state: "never-enabled" });
      await refusedWith(2, "CONFIRMATION_MISSING", load);
      const { stderr } = await gets(0, `${load} --yes`);
      expect(stderr).toContain(`every credential of ${device}`);
      expect(await document(0, "secure status", "fido-secure-status", replugged)).toMatchObject({
        state: "locked",
        nowUnlocked: true,
      });
    });
  });

  test("words that are wrong, and files that are none, are told before a token is touched", async () => {
    await enabled();
    await gets(0, `backup save ${files.backup}`);
    const words = wordsOf(files.words);
    const swapped = world.path("swapped");
    writeFileSync(swapped, [words[1], words[0], ...words.slice(2)].join(" "), { mode: 0o600 });
    device = "sim-fido:never";
    await refusedWith(9, "HOST_KEY_WORDS_INVALID", `backup load ${files.backup} --yes --words file:${swapped}`);
    await refusedWith(9, "BACKUP_FILE_INVALID", `backup load ${files.words} --yes`);
    await refusedWith(2, "INPUT_UNREADABLE", `backup verify ${world.path("nothing")}`);
    const file = readFileSync(files.backup);
    file[30] = (file[30] ?? 0) ^ 1;
    writeFileSync(world.path("changed"), file);
    await refusedWith(9, "BACKUP_KEY_WRONG", `backup verify ${world.path("changed")} --words file:${files.words}`);
    expect(existsSync(world.path("simulator/never.fido2"))).toBe(false);
  });

  test("words of the older tool, with its list", async () => {
    await enabled();
    await gets(0, `backup save ${files.backup}`);
    const key = hostKeyFromWords(wordsOf(files.words).join(" "));
    const letters = (i: number) =>
      [...i.toString(26).padStart(3, "0")].map((d) => String.fromCharCode(97 + Number.parseInt(d, 26))).join("");
    let value = BigInt(`0x${Buffer.from(key).toString("hex")}`);
    const words = Array.from({ length: 24 }, (_, i) => {
      const word = letters(Number(value % 2048n));
      value /= 2048n;
      return `${String(i + 1).padStart(2, "0")} - ${word}`;
    });
    const list = world.path("list");
    const old = world.path("old-words");
    writeFileSync(list, Array.from({ length: 2048 }, (_, i) => letters(i)).join("\n"));
    writeFileSync(old, words.join("\n"), { mode: 0o600 });
    await gets(0, `backup verify ${files.backup} --words file:${old} --word-list ${list}`);
    await refusedWith(9, "HOST_KEY_WORDS_INVALID", `backup verify ${files.backup} --words file:${old}`);
    await refusedWith(2, "OPTIONS_CONFLICT", `backup verify ${files.backup} --word-list ${list}`);
    await refusedWith(9, "WORD_LIST_INVALID", `backup verify ${files.backup} --words file:${old} --word-list ${old}`);
  });
});

describe("always said", () => {
  test("what a backup does not hold, what the lock costs, what the alternative is", async () => {
    await token("5.12");
    const plan = (await gets(0, `secure enable --dry-run ${pinOption}`)).stdout;
    const enabling = (await gets(0, `secure enable ${pinOption} --words-out ${files.words}`)).stdout;
    for (const text of [plan, enabling]) {
      expect(text).toMatch(/tied to this computer/);
      expect(text).toMatch(/second token in a slot of the vault/);
    }
    for (const argv of [`backup save ${files.backup}`, `backup verify ${files.backup}`]) {
      expect((await gets(0, argv)).stdout).toMatch(/resident credentials .*the PIN, OATH/);
    }
    expect((await gets(0, `secure disable ${pinOption}`)).stdout).toMatch(/Unplug the token now/);
  });

  test("a vault takes no slot on a token that is to be unplugged first", async () => {
    await enabled();
    await gets(0, `secure disable ${pinOption}`);
    const create = `--device ${device} vault create ${world.path(`v${number}`)} --slot fido --no-recovery ${pinOption}`;
    const { stderr } = await officer.gets(5, create, { env });
    expect(stderr).toContain("unplug the token");
    await officer.gets(0, create, { env: { ...env, ...replugged.env } });
  });
});

test("every command has its plan: --dry-run changes nothing", async () => {
  await enabled();
  await document(0, "secure unlock --dry-run", "fido-secure-unlock", replugged);
  await document(0, `secure disable --dry-run ${pinOption}`, "fido-secure-disable");
  await gets(0, "secure unlock");
  await document(0, `backup save ${files.backup} --dry-run`, "fido-backup-save");
  expect(existsSync(files.backup)).toBe(false);
  expect(await document(0, "secure status", "fido-secure-status")).toMatchObject({ state: "unlocked" });
  expect(picoFidoCommands).toHaveLength(7);
});

test("no host key and no PIN stands in anything that was printed", () => {
  for (const name of readdirSync(world.path("pico-fido"))) {
    const { hostKey } = JSON.parse(readFileSync(world.path(`pico-fido/${name}`), "utf8")) as { hostKey: string };
    expect(world.printed.toLowerCase()).not.toContain(hostKey);
  }
  expect(world.printed).not.toContain(env.FPIN);
});
