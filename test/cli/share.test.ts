import { existsSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { describe, expect, test, vi } from "vitest";
import { fromHex, toHex } from "../../src/bytes/hex.ts";
import { rounds } from "./support/fewer-rounds.ts";
import { hexOf, modeOf, passwords, ShareOfficer } from "./support/share-officer.ts";
import { TestWorld, TypingPerson } from "./support/test-io.ts";

vi.mock("../../src/crypto/shares/share-key.ts", async (original) =>
  (await import("./support/fewer-rounds.ts")).fewerRounds(original),
);

const world = new TestWorld();
const officer = new ShareOfficer(world);

interface ShareVectors {
  readonly cases: readonly {
    readonly password_hex: string;
    readonly iterations: number;
    readonly share: string;
    readonly file: string;
  }[];
}
const { cases } = JSON.parse(
  readFileSync(new URL("../vectors/dkek_share_file.json", import.meta.url), "utf8"),
) as ShareVectors;

describe("vectors", () => {
  for (const iterations of [1000, 10_000_000]) {
    test(`share check opens the file of ${iterations} rounds`, async () => {
      const vector = cases.find((one) => one.iterations === iterations);
      const path = officer.file(`vector-${iterations}.pbe`, fromHex(vector?.file ?? ""));
      rounds.iterations = iterations;
      try {
        expect(await officer.kcvOf(`${path} --password literal:password`)).toBe("630DCD2966C43366");
      } finally {
        rounds.iterations = 1000;
      }
    }, 120_000);
  }
});

describe("share create", () => {
  test("makes a file of mode 0600 that its password opens", async () => {
    const path = world.path("new.pbe");
    const made = await officer.fits(0, `share create ${path} --password env:PW`);
    expect(modeOf(path)).toBe("600");
    expect(readFileSync(path)).toHaveLength(64);
    const checked = await officer.fits(0, `share check ${path} --password env:PW`);
    expect(checked["kcv"]).toBe(made["kcvAlone"]);
    expect(checked["files"]).toEqual([{ file: path, sha256: made["sha256"], kcvAlone: made["kcvAlone"] }]);
  });

  test("every share is another one, and so is every file of the same share", async () => {
    const [a, b] = [await officer.share("one.pbe"), await officer.share("two.pbe")];
    expect(await officer.kcvOf(`${a} --password env:PW`)).not.toBe(await officer.kcvOf(`${b} --password env:PW`));
  });

  test("leaves a file that is there as it is, and says so before any work", async () => {
    const path = officer.file("taken.pbe", "something else");
    const before = rounds.derivations;
    await officer.fits(8, `share create ${path} --password env:PW`);
    expect(readFileSync(path, "utf8")).toBe("something else");
    expect(rounds.derivations).toBe(before);
    await officer.fits(0, `share create ${path} --password env:PW --yes`);
    expect(readFileSync(path)).toHaveLength(64);
    expect(modeOf(path)).toBe("600");
  });

  test("refuses a password of 5 characters, warns of one of 7", async () => {
    const path = world.path("weak.pbe");
    await officer.fits(2, `share create ${path} --password env:TINY`);
    expect(existsSync(path)).toBe(false);
    const { stderr } = await officer.gets(0, `share create ${path} --password env:SHORT`);
    expect(stderr).toContain("warning: this password is shorter than 12 characters");
  });

  test("a password that is typed is typed twice", async () => {
    const path = world.path("typed.pbe");
    const unlike = new TypingPerson(...[1, 2, 3].flatMap(() => [passwords.first, passwords.second]));
    await officer.gets(2, `share create ${path}`, { person: unlike });
    expect(existsSync(path)).toBe(false);
    const person = new TypingPerson(passwords.first, passwords.first);
    await officer.gets(0, `share create ${path} --password prompt`, { person });
    expect(person.prompts[0]).toContain("typed.pbe: new password of the DKEK share");
    await officer.gets(0, `share check ${path} --password env:PW`);
  });

  test("--dry-run makes nothing", async () => {
    const path = world.path("dry.pbe");
    await officer.fits(0, `share create ${path} --password env:PW --dry-run`);
    expect(existsSync(path)).toBe(false);
  });

  test("a folder that is not there is told, and nothing half is left", async () => {
    await officer.fits(11, `share create ${world.path("nowhere/x.pbe")} --password env:PW`);
    // Here the file is whole beside the place that cannot be taken.
    mkdirSync(world.path("folder"));
    await officer.fits(11, `share create ${world.path("folder")} --password env:PW --yes`);
    expect(readdirSync(world.home).filter((name) => name.includes("partial"))).toEqual([]);
  });

  const refused = ["", "--password nonsense", "--split 3", "--split 1-of-3", "--split 4-of-3", "--split 2-of-2"];
  const conflicts = ["--password env:PW --split 2-of-3 --cards c", "--password env:PW --cards c", "--split 2-of-3"];
  test.each([...refused, ...conflicts])("refuses `%s`", async (options) => {
    const before = rounds.derivations;
    await officer.fits(2, `share create ${world.path("no.pbe")} ${options}`);
    expect(existsSync(world.path("no.pbe"))).toBe(false);
    expect(rounds.derivations).toBe(before);
  });
});

describe("Ctrl-C in the derivation", () => {
  test("ends it at once with 130, behind a bar that tells the truth, and writes nothing", async () => {
    rounds.iterations = undefined;
    const path = world.path("stopped.pbe");
    const shown: number[] = [];
    try {
      const { code, stderr } = await officer.does(`share create ${path} --password env:PW`, {
        onStderr: (text) => {
          const percent = /\] +(\d+) %/.exec(text)?.[1];
          if (percent === undefined) return;
          shown.push(Number(percent));
          if (shown.length === 2) world.signal("SIGINT");
        },
      });
      expect(code).toBe(130);
      expect(stderr).toContain("nothing was written or sent");
      expect(stderr).toContain("\r\u001B[K");
    } finally {
      rounds.iterations = 1000;
    }
    expect(shown.at(-1)).toBeLessThan(50);
    expect(shown).toEqual([...shown].sort((a, b) => a - b));
    expect(existsSync(path)).toBe(false);
  }, 60_000);

  test("no bar where nobody watches", async () => {
    const { stderr } = await officer.gets(0, `share create ${world.path("quiet.pbe")} --password env:PW`);
    expect(stderr).toBe("");
  });
});

describe("share inspect", () => {
  test("needs no password, and reads the printed form too", async () => {
    const path = await officer.share("inspect.pbe");
    const facts = await officer.fits(0, `share inspect ${path}`);
    expect(facts).toMatchObject({ form: "binary", bytes: 64, salt: hexOf(path).slice(16, 32) });
    const printed = officer.file(
      "inspect.txt",
      `${readFileSync(path)
        .toString("base64")
        .match(/.{1,64}/g)
        ?.join("\n")}\n`,
    );
    expect(await officer.fits(0, `share inspect ${printed}`)).toMatchObject({ form: "printed", salt: facts["salt"] });
    expect(await officer.kcvOf(`${printed} --password env:PW`)).toBe(await officer.kcvOf(`${path} --password env:PW`));
  });

  test.each([
    ["is not there", 2, undefined],
    ["is empty", 9, ""],
    ["is cut short", 9, "Salted__12345678"],
    ["is something else of 64 bytes", 9, "x".repeat(64)],
    ["is huge", 9, "x".repeat(100_000)],
  ])("a file that %s", async (_, code, content) => {
    const path = world.path("odd.pbe");
    if (content !== undefined) officer.file("odd.pbe", content);
    for (const verb of ["inspect", "check", "import", "rotate"]) {
      const rest = { inspect: "", check: "", import: "--device sim:odd", rotate: "--new-password env:PW2 --yes" }[verb];
      const password = verb === "inspect" ? "" : "--password env:PW";
      const { error } = (await officer.fits(code, `share ${verb} ${path} ${password} ${rest}`)) as {
        error: { message: string };
      };
      expect(error.message).toContain("odd.pbe");
    }
  });
});

describe("share check", () => {
  test("a wrong password is 4 and names the file", async () => {
    const [a, b] = [await officer.share("right.pbe"), await officer.share("other.pbe", "PW2")];
    const { error } = (await officer.fits(4, `share check ${a} ${b} --password env:PW`)) as {
      error: { message: string };
    };
    expect(error.message).toContain("other.pbe");
    await officer.fits(4, `share check ${a} --password env:BAD`);
    await officer.fits(2, `share check ${a} --password literal:`);
  });

  test("the KCV of several shares, a password for each, compared with the expected one", async () => {
    const [a, b] = [await officer.share("k1.pbe"), await officer.share("k2.pbe", "PW2")];
    const both = `${a} ${b} --password env:PW --password env:PW2`;
    const kcv = await officer.kcvOf(both);
    expect(await officer.kcvOf(`${b} ${a} --password env:PW2 --password env:PW`)).toBe(kcv);
    expect((await officer.fits(0, `share check ${both} --expect-kcv ${kcv.toLowerCase()}`))["kcvMatches"]).toBe(true);
    await officer.fits(9, `share check ${both} --expect-kcv 0011223344556677`);
    await officer.fits(9, `share check ${a} --password env:PW --expect-kcv ${kcv}`);
    await officer.fits(2, `share check ${both} --expect-kcv 00112233`);
    await officer.fits(2, `share check ${a} ${b} ${a} --password env:PW --password env:PW2`);
  });

  test("the same share twice is refused, under whatever password and name", async () => {
    const path = await officer.share("twin.pbe");
    const twin = world.path("twin2.pbe");
    await officer.gets(0, `share rotate ${path} --out ${twin} --password env:PW --new-password env:PW2`);
    await officer.fits(8, `share check ${path} ${twin} --password env:PW --password env:PW2`);
  });

  test("asks for the password of each file", async () => {
    const [a, b] = [await officer.share("ask1.pbe"), await officer.share("ask2.pbe", "PW2")];
    const person = new TypingPerson(passwords.first, passwords.second);
    await officer.gets(0, `share check ${a} ${b}`, { person });
    expect(person.prompts.map((prompt) => prompt.split(":")[0])).toEqual(["ask1.pbe", "ask2.pbe"]);
    await officer.gets(10, `share check ${a}`, { person: new TypingPerson("") });
    await officer.gets(2, `share check ${a} --no-input`, { person: new TypingPerson() });
  });

  test("no damaged byte goes unnoticed when the KCV is known", async () => {
    const path = await officer.share("flip.pbe");
    const kcv = await officer.kcvOf(`${path} --password env:PW`);
    const whole = fromHex(hexOf(path));
    const codes = new Map<number, number>();
    for (const at of whole.keys()) {
      const damaged = whole.slice();
      damaged[at] = (damaged[at] as number) ^ (1 << (at % 8));
      const flipped = officer.file("flipped.pbe", damaged);
      const { code } = await officer.does(`share check ${flipped} --password env:PW --expect-kcv ${kcv}`);
      codes.set(code, (codes.get(code) ?? 0) + 1);
    }
    expect([...codes.keys()].sort()).toEqual([4, 9]);
  }, 60_000);
});

describe("share rotate", () => {
  test("gives a new password; the share stays, the old password opens the new file no more", async () => {
    const path = await officer.share("rotate.pbe");
    const kcv = await officer.kcvOf(`${path} --password env:PW`);
    const before = hexOf(path);
    const words = `share rotate ${path} --password env:PW --new-password env:PW2`;
    await officer.fits(8, words);
    expect(hexOf(path)).toBe(before);
    const done = await officer.fits(0, `${words} --yes`);
    expect(done).toMatchObject({ kcvAlone: kcv, from: path });
    expect(await officer.kcvOf(`${path} --password env:PW2`)).toBe(kcv);
    await officer.gets(4, `share check ${path} --password env:PW`);
  });

  test("whatever goes wrong, the file is as it was", async () => {
    const path = await officer.share("kept.pbe");
    const before = hexOf(path);
    await officer.fits(4, `share rotate ${path} --yes --password env:BAD --new-password env:PW2`);
    const derivations = rounds.derivations;
    await officer.fits(2, `share rotate ${path} --yes --password env:PW --new-password env:TINY`);
    expect(rounds.derivations).toBe(derivations);
    await officer.fits(2, `share rotate ${path} --yes --password env:PW`);
    await officer.fits(0, `share rotate ${path} --yes --password env:PW --new-password env:PW2 --dry-run`);
    await officer.fits(11, `share rotate ${path} --out ${path}/x --password env:PW --new-password env:PW2`);
    expect(hexOf(path)).toBe(before);
  });
});

test("no password and no share in anything printed", () => {
  for (const secret of Object.values(passwords)) expect(world.printed).not.toContain(secret);
  for (const { share } of cases) {
    expect(world.printed.toUpperCase()).not.toContain(share);
    expect(world.printed).not.toContain(toHex(fromHex(share), ":").toLowerCase());
  }
});
