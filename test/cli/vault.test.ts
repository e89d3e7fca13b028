import { cpSync, existsSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { beforeAll, describe, expect, test } from "vitest";
import { secrets } from "./support/officer.ts";
import { TestWorld, TypingPerson } from "./support/test-io.ts";
import { phrases, VaultOfficer } from "./support/vault-officer.ts";

const world = new TestWorld();
const officer = new VaultOfficer(world);
const card = "--device sim:one --pin env:PIN";
let vault = "";

beforeAll(async () => {
  await officer.token("one", "ec:p256 vault", "ec:brainpoolP256r1 bp", "aes:256 aes", "ec:p256 second");
  await officer.token("two");
  await officer.token("empty", "ec:p256 other");
  vault = await officer.vault("v", "one");
  await officer.keeps(vault, "borg", phrases.secret, card);
});

describe("a secret", () => {
  test("comes out as it went in, in each form", async () => {
    const get = async (form: string) => (await officer.gets(0, `vault get ${vault} borg ${form} ${card}`)).bytes;
    const text = new TextEncoder().encode(phrases.secret);
    expect(await get("--raw")).toEqual(text);
    expect(await get("")).toEqual(text);
    expect(new TextDecoder().decode(await get("--text"))).toBe(`${phrases.secret}\n`);
    expect(new TextDecoder().decode(await get("--hex"))).toBe(Buffer.from(text).toString("hex"));
    expect(new TextDecoder().decode(await get("--base64"))).toBe(Buffer.from(text).toString("base64"));
  });

  test("that is typed is asked for twice and not shown", async () => {
    const typed = (...answers: string[]) => ({ typed: true, person: new TypingPerson(...answers) });
    const person = typed(phrases.secret, phrases.secret);
    const kept = await officer.gets(0, `vault set ${vault} typed ${card}`, person);
    expect(kept.stdout).toContain(`typed: ${phrases.secret.length} bytes`);
    expect(person.person.prompts).toEqual(["typed: the secret to keep (one line, not shown): ", "typed, again: "]);
    const got = await officer.gets(0, `vault get ${vault} typed --raw ${card}`);
    expect(new TextDecoder().decode(got.bytes)).toBe(phrases.secret);
    await officer.gets(2, `vault set ${vault} typed ${card}`, typed(phrases.secret, phrases.wrong));
    await officer.gets(10, `vault set ${vault} typed ${card}`, typed(""));
    await officer.gets(2, `vault set ${vault} typed --no-input ${card}`, typed(phrases.secret, phrases.secret));
    await officer.gets(0, `vault rm ${vault} typed ${card}`);
  });

  test("in a file has mode 0600, and a document speaks of it", async () => {
    const out = world.path("out.bin");
    const document = await officer.fits(0, `vault get ${vault} borg --out ${out} ${card}`);
    expect(document).toMatchObject({ name: "borg", out, bytes: phrases.secret.length });
    expect(readFileSync(out, "utf8")).toBe(phrases.secret);
    expect(statSync(out).mode & 0o777).toBe(0o600);
    expect(await officer.refused(8, `vault get ${vault} borg --out ${out} ${card}`)).toMatchObject({
      code: "FILE_EXISTS",
    });
  });

  test("is not shown as raw bytes on a terminal, text is", async () => {
    const raw = await officer.gets(2, `vault get ${vault} borg --raw ${card}`, { terminal: 80 });
    expect(raw.stderr).toContain("--hex");
    const shown = await officer.gets(0, `vault get ${vault} borg ${card}`, { terminal: 80 });
    expect(new TextDecoder().decode(shown.bytes)).toBe(`${phrases.secret}\n`);
    await officer.keeps(vault, "upset", "\u001b[2J", card);
    await officer.gets(2, `vault get ${vault} upset --text ${card}`, { terminal: 80 });
    await officer.gets(0, `vault rm ${vault} upset ${card}`);
  });

  test("is in no JSON document", async () => {
    expect(await officer.refused(2, `vault get ${vault} borg ${card}`)).toMatchObject({ code: "OPTIONS_CONFLICT" });
    await officer.fits(0, `vault list ${vault} ${card}`);
  });

  test("is replaced, listed and forgotten", async () => {
    const value = officer.file("zfs.key", new Uint8Array(32).fill(0xa5));
    const first = await officer.fits(0, `vault set ${vault} zfs/tank --in ${value} --note main ${card}`);
    expect(first).toMatchObject({ revision: 1, replaced: false, bytes: 32 });
    expect(await officer.fits(0, `vault set ${vault} zfs/tank --in ${value} ${card}`)).toMatchObject({
      revision: 2,
      replaced: true,
    });
    expect(await officer.fits(0, `vault set ${vault} zfs/tank --in ${value} --dry-run ${card}`)).toMatchObject({
      dryRun: true,
    });
    const listed = await officer.fits(0, `vault list ${vault} ${card}`);
    expect(listed["secrets"]).toContainEqual(
      expect.objectContaining({ name: "zfs/tank", type: "raw", revision: 2, note: "main" }),
    );
    await officer.fits(0, `vault rm ${vault} zfs/tank --dry-run ${card}`);
    await officer.fits(0, `vault rm ${vault} zfs/tank ${card}`);
    expect(await officer.refused(2, `vault get ${vault} zfs/tank --out ${world.path("none")} ${card}`)).toMatchObject({
      code: "VAULT_SECRET_UNKNOWN",
    });
    expect(existsSync(world.path("none"))).toBe(false);
  });

  test("of no bytes or with a bad name is refused before a device is touched", async () => {
    await officer.gets(2, `vault set ${vault} empty --in ${officer.file("nothing", "")} --device sim:never`);
    await officer.gets(2, `vault set ${vault} Bad:Name --in ${officer.file("something", "x")} --device sim:never`);
    expect(existsSync(world.path("simulator/never.json"))).toBe(false);
  });

  test("derived: the same 32 bytes each time, others for another context", async () => {
    const derived = async (context: string) =>
      (await officer.gets(0, `vault derive ${vault} zfs ${context} ${card}`)).bytes;
    const tank = await derived("tank");
    expect(tank).toHaveLength(32);
    expect(await derived("tank")).toEqual(tank);
    expect(await derived("pool")).not.toEqual(tank);
    await officer.fits(0, `vault derive ${vault} luks u --out ${world.path("luks.key")} ${card}`);
    const shown = await officer.gets(0, `vault derive ${vault} zfs tank ${card}`, { terminal: 80 });
    expect(new TextDecoder().decode(shown.bytes)).toBe(`${Buffer.from(tank).toString("hex")}\n`);
  });
});

test("seal and unseal: a file of several pieces, an altered one gives nothing", async () => {
  const plain = new Uint8Array(200_000).map((_, i) => i * 7);
  const from = officer.file("plain", plain);
  const [sealed, back] = [world.path("sealed.age"), world.path("back")];
  await officer.fits(0, `vault seal ${vault} --in ${from} --out ${sealed} ${card}`);
  await officer.fits(0, `vault unseal ${vault} --in ${sealed} --out ${back} ${card}`);
  expect(new Uint8Array(readFileSync(back))).toEqual(plain);
  const altered = new Uint8Array(readFileSync(sealed));
  altered[altered.length - 100] = (altered[altered.length - 100] ?? 0) ^ 1;
  const bad = officer.file("altered.age", altered);
  await officer.refused(9, `vault unseal ${vault} --in ${bad} --out ${world.path("never")} ${card}`);
  expect(existsSync(world.path("never"))).toBe(false);
  await officer.gets(2, `vault unseal ${vault} --in ${sealed} ${card}`, { terminal: 80 });
});

describe("nothing is touched unasked", () => {
  test("without a device: exit 3, the slots and what to add for each", async () => {
    for (const words of ["get FILE borg --hex", "list FILE", "open FILE", "rekey FILE", "slot remove FILE 2"]) {
      const { stderr, stdout } = await officer.gets(3, `vault ${words.replace("FILE", vault)}`);
      expect(stdout).toBe("");
      expect(stderr).toContain("no device was contacted");
      expect(stderr).toMatch(/slot 1: card UTSIM\w+ key vault: add --device sim:one/);
      expect(stderr).toContain("slot 2: recovery key: add --recovery file:PATH");
    }
    const error = await officer.refused(3, `vault open ${vault} --device none`);
    expect(error).toMatchObject({ code: "DEVICE_POLICY", details: { slots: [{ id: 1 }, { id: 2 }] } });
    const { stderr } = await officer.gets(3, `vault open ${vault}`, { env: { HSMADM_DEVICE: "none" } });
    expect(stderr).toContain("no device was contacted");
  });

  test("a device that has no slot in the vault is not opened", async () => {
    await officer.gets(0, `vault open ${vault} --recovery file:${vault}.recovery --device sim-fido:unasked`);
    expect(existsSync(world.path("simulator/unasked.json"))).toBe(false);
  });

  test("status reads the header alone; --probe wants a device and spends no try", async () => {
    const document = await officer.fits(0, `vault status ${vault}`);
    expect(document).toMatchObject({ verified: false, probe: null, policy: { warnings: [] } });
    await officer.refused(3, `vault status ${vault} --probe`);
    const before = await officer.tries("one");
    const probed = await officer.fits(0, `vault status ${vault} --probe --device sim:one,sim:empty`);
    expect(probed["probe"]).toMatchObject({
      opens: [1],
      devices: [{ matches: [{ slot: 1, how: "certain" }] }, { matches: [] }],
    });
    expect(await officer.fits(3, `vault status ${vault} --probe --device sim:empty`)).toMatchObject({ ok: false });
    expect(await officer.tries("one")).toEqual(before);
  });
});

describe("PINs", () => {
  test("go to no card that does not hold the key, and at most once to one that does", async () => {
    const before = await officer.tries("empty");
    const error = await officer.refused(3, `vault open ${vault} --device sim:empty --pin env:WRONG`);
    expect(error).toMatchObject({ code: "VAULT_NO_OPENER" });
    expect(await officer.tries("empty")).toEqual(before);
    expect(await officer.refused(4, `vault open ${vault} --device sim:one --pin env:WRONG`)).toMatchObject({
      code: "PIN_WRONG",
      triesLeft: 2,
    });
    // The next run does not send it again.
    expect(await officer.refused(5, `vault open ${vault} --device sim:one --pin env:WRONG`)).toMatchObject({
      code: "PIN_REFUSED_BEFORE",
    });
    await officer.gets(0, `vault open ${vault} ${card}`);
  });

  test("are asked for after the look, with the tries left", async () => {
    const person = new TypingPerson(secrets.pin);
    await officer.gets(0, `vault open ${vault} --device sim:one`, { person });
    expect(person.prompts).toEqual([expect.stringMatching(/^one, UTSIM\w+, SIMULATED: user PIN \(3 tries left/)]);
    await officer.refused(2, `vault open ${vault} --device sim:one --no-input`);
  });

  test("a wrong PIN on one device does not keep another from opening it", async () => {
    const path = await officer.vault("two-cards", "one", "two");
    const words = `vault open ${path} --device sim:one,sim:two --pin env:WRONG2 --pin env:PIN`;
    expect(await officer.fits(0, words)).toMatchObject({ slot: 2 });
    await officer.gets(0, `vault open ${path} ${card}`);
  });
});

test("the integrity over time: rollback and substitution are refused with the reason", async () => {
  const path = await officer.vault("history", "one");
  const old = readFileSync(path);
  const { vault: made } = (await officer.fits(0, `vault open ${path} ${card}`)) as { vault: { id: string } };
  await officer.keeps(path, "a", "b", card);
  const now = readFileSync(path);
  expect(readFileSync(`${path}.bak`)).toEqual(old);
  writeFileSync(path, old);
  expect(await officer.refused(9, `vault get ${path} a --out ${world.path("x")} ${card}`)).toMatchObject({
    code: "VAULT_ROLLBACK",
  });
  writeFileSync(path, readFileSync(vault));
  expect(await officer.refused(9, `vault open ${path} ${card}`)).toMatchObject({ code: "VAULT_ID_OTHER" });
  expect(await officer.refused(9, `vault open ${path} --expect-id ${made.id} ${card}`)).toMatchObject({
    code: "VAULT_ID_OTHER",
  });
  writeFileSync(path, old);
  const allowed = await officer.gets(0, `vault open ${path} --allow-rollback ${card}`);
  expect(allowed.stderr).toContain("an older file was taken");
  writeFileSync(path, now);
  await officer.gets(0, `vault open ${path} --expect-id ${made.id} ${card}`);
  await officer.gets(0, `vault set ${path} c --in ${officer.file("c", "c")} --no-backup ${card}`);
});

test("an anchor on the card refuses an older file on a computer that has never seen it", async () => {
  const path = await officer.vault("anchored", "one");
  const home = world.path("third-home");
  // The same card, another computer: what this one remembers of vaults is not there.
  const elsewhere = async (argv: string, code: number) => {
    cpSync(world.path("simulator"), `${home}/simulator`, { recursive: true });
    const { stdout } = await officer.gets(code, `${argv} --json`, { env: { HSMADM_HOME: home } });
    rmSync(home, { recursive: true });
    return stdout;
  };
  const first = readFileSync(path);
  await officer.gets(0, `vault set ${path} a --in ${officer.file("a", "a")} --anchor ${card}`);
  const second = readFileSync(path);
  await officer.gets(0, `vault set ${path} b --in ${officer.file("b", "b")} ${card}`);
  expect(await elsewhere(`vault open ${path} ${card}`, 0)).toContain('"trust": "anchored"');
  for (const old of [first, second]) {
    writeFileSync(path, old);
    expect(await elsewhere(`vault open ${path} ${card}`, 9)).toMatch(
      /the token has seen 3[\s\S]*VAULT_ROLLBACK|VAULT_ROLLBACK[\s\S]*the token has seen 3/,
    );
  }
});

test("a first meeting is told with the id", async () => {
  const env = { HSMADM_HOME: world.path("elsewhere") };
  const open = `vault open ${vault} --recovery file:${vault}.recovery`;
  expect((await officer.gets(0, open, { env })).stderr).toMatch(/first seen here: vault v1-\w+, generation/);
  expect((await officer.gets(0, open, { env })).stderr).toBe("");
});

test("nothing secret was printed", () => {
  const printed = world.printed.replaceAll(phrases.secret, "").length;
  expect(printed).toBeGreaterThan(0);
  for (const secret of [...Object.values(secrets), phrases.passphrase, phrases.other, phrases.wrong, phrases.fidoPin]) {
    expect(world.printed).not.toContain(secret);
  }
  const identity = /AGE-SECRET-KEY-1\w+/.exec(readFileSync(`${vault}.recovery`, "utf8"))?.[0] ?? "?";
  expect(world.printed).not.toContain(identity);
  expect(statSync(`${vault}.recovery`).mode & 0o777).toBe(0o600);
});
