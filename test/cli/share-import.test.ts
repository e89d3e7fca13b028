import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { describe, expect, test, vi } from "vitest";
import { toHex } from "../../src/bytes/hex.ts";
import { openShareFile } from "../../src/crypto/shares/dkek-share-file.ts";
import { secrets } from "./support/officer.ts";
import { modeOf, passwords, ShareOfficer } from "./support/share-officer.ts";
import { TestWorld, TypingPerson } from "./support/test-io.ts";

vi.mock("../../src/crypto/shares/share-key.ts", async (original) =>
  (await import("./support/fewer-rounds.ts")).fewerRounds(original),
);

const world = new TestWorld();
const officer = new ShareOfficer(world);
const memory = world.path("shares.json");

async function imports(code: number, name: string, rest: string): Promise<Record<string, unknown>> {
  return officer.fits(code, `share import --device sim:${name} ${rest}`);
}

async function domainOf(name: string, domain = 0): Promise<Record<string, unknown>> {
  const { domains } = await officer.fits(0, `domain list --device sim:${name}`);
  return (domains as Record<string, unknown>[])[domain] ?? {};
}

function commandsIn(trace: string): string[] {
  return readFileSync(trace, "utf8")
    .split("\n")
    .filter((line) => line.startsWith("> "));
}

/** How many tokens it knows. */
function remembered(): number {
  if (!existsSync(memory)) return 0;
  return (JSON.parse(readFileSync(memory, "utf8")) as { entries: unknown[] }).entries.length;
}

describe("share import", () => {
  test("two shares on two days: what is missing, then the KCV, which is that of `share check`", async () => {
    await officer.tokenWithShares("days", 2);
    const [a, b] = [await officer.share("days1.pbe"), await officer.share("days2.pbe", "PW2")];
    const first = await imports(0, "days", `${a} --password env:PW`);
    expect(first).toMatchObject({
      state: { state: "pending", shares: 2, outstanding: 1, kcv: null },
      kcvMatches: null,
    });
    const kcv = await officer.kcvOf(`${a} ${b} --password env:PW --password env:PW2`);
    const last = await imports(0, "days", `${b} --password env:PW2 --expect-kcv ${kcv}`);
    expect(last).toMatchObject({
      state: { state: "complete", outstanding: 0, kcv },
      expectedKcv: kcv,
      kcvMatches: true,
    });
    expect(await domainOf("days")).toMatchObject({ state: "complete", kcv });
  });

  test("several shares at once", async () => {
    await officer.tokenWithShares("once", 3);
    const files = [await officer.share("o1.pbe"), await officer.share("o2.pbe"), await officer.share("o3.pbe")].join(
      " ",
    );
    const kcv = await officer.kcvOf(`${files} --password env:PW`);
    const done = await imports(0, "once", `${files} --password env:PW`);
    expect((done["imported"] as { state: { outstanding: number } }[]).map(({ state }) => state.outstanding)).toEqual([
      2, 1, 0,
    ]);
    expect(done["state"]).toMatchObject({ kcv });
  });

  test("people read the same", async () => {
    await officer.tokenWithShares("text", 1);
    const path = await officer.share("text.pbe");
    const { stdout } = await officer.gets(0, `share import ${path} --password env:PW --device sim:text`);
    expect(stdout).toMatch(/^text\.pbe: imported, all 1 shares in, KCV [0-9A-F]{16}\n/);
  });

  test("costs 4 exchanges, with a login 6; nothing secret is in the trace", async () => {
    const path = await officer.share("cost.pbe");
    const share = toHex(
      await openShareFile(new Uint8Array(readFileSync(path)), new TextEncoder().encode(passwords.first)),
    );
    for (const [name, login, count] of [
      ["cost4", "", 4],
      ["cost6", "--pin env:PIN", 6],
    ] as const) {
      await officer.tokenWithShares(name, 1);
      const trace = world.path(`${name}.apdu`);
      await imports(0, name, `${path} --password env:PW ${login} --trace ${trace}`);
      expect(commandsIn(trace)).toHaveLength(count);
      const text = readFileSync(trace, "utf8").replace(/\s/g, "").toUpperCase();
      for (const secret of [share, toHex(new TextEncoder().encode(secrets.pin))]) expect(text).not.toContain(secret);
    }
    expect(world.printed.toUpperCase()).not.toContain(share);
  });

  test("a trace has no answer to a share, and its replay leaves the memory as it is", async () => {
    await officer.tokenWithShares("replay", 2);
    const path = await officer.share("replay.pbe");
    const trace = world.path("replay.apdu");
    await imports(0, "replay", `${path} --password env:PW --trace ${trace}`);
    rmSync(memory);
    const { error } = await officer.fits(9, `share import ${path} --password env:PW --device trace:${trace}`);
    expect(error).toMatchObject({ code: "TRACE_ANSWER_REDACTED" });
    expect(existsSync(memory)).toBe(false);
  });

  test("--dry-run opens the file, looks at the token and sends nothing", async () => {
    await officer.tokenWithShares("dry", 1);
    const path = await officer.share("dry.pbe");
    expect(await imports(0, "dry", `${path} --password env:PW --dry-run`)).toMatchObject({
      state: { state: "pending" },
    });
    await imports(4, "dry", `${path} --password env:BAD --dry-run`);
    expect(await domainOf("dry")).toMatchObject({ outstanding: 1 });
  });

  test("split among custodians, into a key domain", async () => {
    const path = world.path("split.pbe");
    const made = await officer.fits(0, `share create ${path} --split 2-of-3 --cards ${world.path("split-cards")}`);
    const parts = (made["cards"] as string[])
      .slice(1)
      .map((file) => `--share-parts file:${file}`)
      .join(" ");
    await officer.gets(0, "device init --device sim:split --so-pin env:SO --pin env:PIN --key-domains 2");
    await officer.fits(0, "domain create --device sim:split --pin env:PIN");
    const before = await officer.fits(0, "domain create 1 --device sim:split --pin env:PIN --dkek-shares 1");
    expect(before).toMatchObject({ domain: 1, shares: 1, state: { state: "pending" } });
    expect(await imports(0, "split", `${path} ${parts} --domain 1`)).toMatchObject({
      domain: 1,
      state: { index: 1, state: "complete", kcv: made["kcvAlone"] },
    });
    expect(await domainOf("split", 0)).toMatchObject({ state: "pending" });
  });
});

describe("the same share twice", () => {
  test("is refused within one run, by what is in the files and not by their names", async () => {
    await officer.tokenWithShares("twin", 2);
    await officer.tokenWithShares("twin-of-3", 3);
    const a = await officer.share("twin1.pbe");
    const b = world.path("twin2.pbe");
    await officer.gets(0, `share rotate ${a} --out ${b} --password env:PW --new-password env:PW2`);
    await imports(8, "twin", `${a} ${b} --password env:PW --password env:PW2`);
    expect(await domainOf("twin")).toMatchObject({ outstanding: 2 });
    await imports(8, "twin-of-3", `${a} ${b} --password env:PW --password env:PW2`);
    expect(await domainOf("twin-of-3")).toMatchObject({ outstanding: 3 });
  });

  test("is refused on another day, and only while the token waits for others", async () => {
    await officer.tokenWithShares("again", 2);
    const [a, b] = [await officer.share("again1.pbe"), await officer.share("again2.pbe")];
    const before = remembered();
    await imports(0, "again", `${a} --password env:PW`);
    expect(modeOf(memory)).toBe("600");
    const share = await openShareFile(new Uint8Array(readFileSync(a)), new TextEncoder().encode(passwords.first));
    expect(readFileSync(memory, "utf8").toUpperCase()).not.toContain(toHex(share));
    const trace = world.path("again.apdu");
    const { error } = await imports(8, "again", `${a} --password env:PW --trace ${trace}`);
    expect(error).toMatchObject({ code: "DKEK_SHARE_TWICE" });
    expect(commandsIn(trace)).toHaveLength(3);
    expect(await domainOf("again")).toMatchObject({ outstanding: 1 });
    await imports(0, "again", `${b} --password env:PW`);
    expect(remembered()).toBe(before);
    // The same set again on a token that was initialised again.
    await officer.tokenWithShares("again", 2);
    await imports(0, "again", `${a} --password env:PW`);
    await officer.tokenWithShares("again", 2);
    await imports(0, "again", `${a} --password env:PW`);
  });

  test("--no-ledger sends it all the same; the DKEK of zeros that comes of it is an error", async () => {
    await officer.tokenWithShares("zero", 2);
    const a = await officer.share("zero.pbe");
    await imports(0, "zero", `${a} --password env:PW`);
    const { error } = await imports(9, "zero", `${a} --password env:PW --no-ledger`);
    expect(error).toMatchObject({ code: "DKEK_ZERO" });
  });

  test("a memory that cannot be read refuses the share, and is left as it is", async () => {
    await officer.tokenWithShares("broken", 2);
    const a = await officer.share("broken.pbe");
    const whole = existsSync(memory) ? readFileSync(memory, "utf8") : "";
    for (const content of ["{", "[]", '{"schemaVersion":2,"entries":[]}', '{"schemaVersion":1,"entries":[{}]}']) {
      writeFileSync(memory, content);
      await imports(5, "broken", `${a} --password env:PW`);
      expect(readFileSync(memory, "utf8")).toBe(content);
    }
    writeFileSync(memory, whole || '{"schemaVersion":1,"entries":[]}');
    expect(await domainOf("broken")).toMatchObject({ outstanding: 2 });
  });
});

describe("a wrong set of shares", () => {
  test("is found before anything is sent when all of them are at hand", async () => {
    await officer.tokenWithShares("set", 2);
    const [a, b] = [await officer.share("set1.pbe"), await officer.share("set2.pbe")];
    const { error } = await imports(9, "set", `${a} ${b} --password env:PW --expect-kcv 0011223344556677`);
    expect(error).toMatchObject({ code: "KCV_UNEXPECTED" });
    expect((error as { advice: string }).advice).toContain("nothing was sent");
    expect(await domainOf("set")).toMatchObject({ outstanding: 2 });
  });

  test("is found at the last share else, and is no success", async () => {
    await officer.tokenWithShares("late", 2);
    const [a, b] = [await officer.share("late1.pbe"), await officer.share("late2.pbe")];
    const { stdout } = await officer.gets(
      0,
      `share import ${a} --password env:PW --expect-kcv 0011223344556677 --device sim:late`,
    );
    expect(stdout).toContain("can be compared once the last share is in");
    const { error } = await imports(9, "late", `${b} --password env:PW --expect-kcv 0011223344556677`);
    expect(error).toMatchObject({ code: "KCV_UNEXPECTED" });
  });
});

describe("a token that wants no share", () => {
  test.each([
    ["none", 7, "NO_DKEK"],
    ["random", 8, "SHARE_NOT_EXPECTED"],
    ["1", 8, "SHARES_TOO_MANY"],
  ])("initialised with --dkek-shares %s", async (shares, code, name) => {
    await officer.tokenWithShares(`no-${shares}`, shares);
    const files = `${world.path("no1.pbe")} ${world.path("no2.pbe")}`;
    if (!existsSync(world.path("no1.pbe"))) {
      await officer.share("no1.pbe");
      await officer.share("no2.pbe");
    }
    const { error } = await imports(code, `no-${shares}`, `${files} --password env:PW`);
    expect(error).toMatchObject({ code: name });
  });

  test("that has them all, or was never initialised", async () => {
    await officer.tokenWithShares("full", 1);
    const [a, b] = [await officer.share("full1.pbe"), await officer.share("full2.pbe")];
    await imports(0, "full", `${a} --password env:PW`);
    const { kcv } = await domainOf("full");
    const { error } = await imports(8, "full", `${b} --password env:PW`);
    expect(error).toMatchObject({ code: "SHARE_NOT_EXPECTED" });
    expect((error as { message: string }).message).toContain(String(kcv));
    expect((await domainOf("full"))["kcv"]).toBe(kcv);
    await imports(7, "full-not", `${b} --password env:PW`);
    await imports(2, "full", `${b} --password env:PW --domain 256`);
    await imports(2, "full", `${b} --password env:PW --expect-kcv xyz`);
  });

  test("a wrong user PIN: the share stays outside", async () => {
    await officer.tokenWithShares("pin", 1);
    const a = await officer.share("pin.pbe");
    await imports(4, "pin", `${a} --password env:PW --pin env:WRONG`);
    expect(await domainOf("pin")).toMatchObject({ outstanding: 1 });
  });
});

describe("a Pico HSM, which shows the KCV after a login only", () => {
  async function pico(name: string): Promise<string> {
    await officer.gets(0, `simulator create ${name} --profile pico`);
    await officer.tokenWithShares(name, 1);
    return officer.share(`${name}.pbe`);
  }

  test("an expected KCV that could not be compared is 13, with --pin it is compared", async () => {
    const a = await pico("pico1");
    const kcv = await officer.kcvOf(`${a} --password env:PW`);
    const unseen = await imports(13, "pico1", `${a} --password env:PW --expect-kcv ${kcv}`);
    expect(unseen).toMatchObject({
      ok: false,
      kcvMatches: null,
      state: { state: "complete", kcvNote: "before-login" },
    });
    const { domains } = await officer.fits(0, "domain list --device sim:pico1 --pin env:PIN");
    expect((domains as unknown[])[0]).toMatchObject({ kcv });
    const b = await pico("pico2");
    const own = await officer.kcvOf(`${b} --password env:PW`);
    expect(await imports(0, "pico2", `${b} --password env:PW --expect-kcv ${own} --pin env:PIN`)).toMatchObject({
      kcvMatches: true,
    });
  });

  test("without an expectation the file is imported and the hint given", async () => {
    const a = await pico("pico3");
    const { stdout } = await officer.gets(0, `share import ${a} --password env:PW --device sim:pico3`);
    expect(stdout).toContain("shows the KCV after a login only");
  });
});

test("the prompt names the file, not a token", async () => {
  await officer.tokenWithShares("ask", 1);
  const a = await officer.share("ask.pbe");
  const person = new TypingPerson(passwords.first);
  await officer.gets(0, `share import ${a} --device sim:ask`, { person });
  expect(person.prompts[0]).toContain("ask.pbe: password of the DKEK share");
});

test("no password and no PIN in anything printed", () => {
  for (const secret of [...Object.values(passwords), ...Object.values(secrets)]) {
    expect(world.printed).not.toContain(secret);
    expect(world.printed.toUpperCase()).not.toContain(toHex(new TextEncoder().encode(secret)));
  }
});
