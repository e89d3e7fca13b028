import { chmodSync, existsSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { describe, expect, test, vi } from "vitest";
import { fromHex, toHex } from "../../src/bytes/hex.ts";
import { keyCheckValue } from "../../src/crypto/shares/dkek.ts";
import { rounds } from "./support/fewer-rounds.ts";
import { Custodians, hexOf, modeOf, passwords, ShareOfficer } from "./support/share-officer.ts";
import { TestWorld, TypingPerson } from "./support/test-io.ts";

vi.mock("../../src/crypto/shares/share-key.ts", async (original) =>
  (await import("./support/fewer-rounds.ts")).fewerRounds(original),
);

const world = new TestWorld();
const officer = new ShareOfficer(world);
/** Every card that was made here, for the hunt for secrets. */
const allCards: string[] = [];

interface Card {
  readonly prime: string;
  readonly id: string;
  readonly value: string;
  readonly check: string;
}

function readCard(text: string): Card {
  const field = (name: string) => new RegExp(`^${name} *: (\\S+)`, "m").exec(text)?.[1] ?? "";
  return { prime: field("Prime"), id: field("Share ID"), value: field("Share value"), check: field("Check") };
}

/** A share whose password is in parts, and the cards. */
async function splitShare(name: string, split: string): Promise<{ path: string; cards: string[] }> {
  const path = world.path(name);
  const folder = world.path(`${name}-cards`);
  const made = await officer.fits(0, `share create ${path} --split ${split} --cards ${folder}`);
  const cards = (made["cards"] as string[]).map((file) => readFileSync(file, "utf8"));
  allCards.push(...cards);
  return { path, cards };
}

function cardFile(name: string, cards: readonly (string | undefined)[]): string {
  return officer.file(name, cards.join("\n"));
}

/** What custodians type at the prompts. */
function typing(cards: readonly (string | undefined)[], withCheck = true): TypingPerson {
  const read = cards.map((card) => readCard(card ?? ""));
  const answers = read.flatMap(({ id, value, check }) => [id, value, withCheck ? check : ""]);
  return new TypingPerson(read[0]?.prime ?? "", ...answers, "");
}

describe("cards as files", () => {
  test("one of mode 0600 for each custodian; any three of them open the share", async () => {
    const { path, cards } = await splitShare("s.pbe", "3-of-5");
    expect(cards).toHaveLength(5);
    const names = readdirSync(`${path}-cards`);
    expect(names).toHaveLength(5);
    for (const name of names) expect(modeOf(`${path}-cards/${name}`)).toBe("600");
    const kcvs = new Set<string>();
    for (const [i, three] of [
      [0, 1, 2],
      [4, 2, 0],
      [3, 1, 4],
    ].entries()) {
      const parts = cardFile(
        `s-${i}.parts`,
        three.map((at) => cards[at]),
      );
      kcvs.add(await officer.kcvOf(`${path} --share-parts file:${parts}`));
    }
    expect(kcvs.size).toBe(1);
    const [a, b, c] = names.map((name) => `--share-parts file:${path}-cards/${name}`);
    await officer.fits(0, `share check ${path} ${a} ${b} ${c} --expect-kcv ${[...kcvs][0]}`);
  });

  test("two of three needed is too few: 4, and the advice says so", async () => {
    const { path, cards } = await splitShare("few.pbe", "3-of-5");
    const parts = cardFile("few.parts", cards.slice(0, 2));
    const { error } = (await officer.fits(4, `share check ${path} --share-parts file:${parts}`)) as {
      error: { advice: string };
    };
    expect(error.advice).toContain("too few parts");
  });

  test("ten custodians: decimal numbers as they are printed, hexadecimal as sc-hsm-tool wants them", async () => {
    const { path, cards } = await splitShare("ten.pbe", "2-of-11");
    const [ten = "", eleven = ""] = cards.slice(9);
    expect(ten).toContain("type 0a there");
    await officer.gets(0, `share check ${path} --share-parts file:${cardFile("ten.parts", [ten, eleven])}`);
    const plain = [ten, eleven].map((card) => card.replace(/^Check.*$/m, ""));
    const hex = plain.map((card) =>
      card.replace(/^Share ID.*$/m, (line) =>
        line.replace(/: 1([01]).*/, (_, digit) => `: 0${digit === "0" ? "a" : "b"}`),
      ),
    );
    await officer.gets(0, `share check ${path} --share-parts file:${cardFile("hex.parts", hex)}`);
  });

  test("a mistyped value, prime or number is found at its custodian before any derivation", async () => {
    const { path, cards } = await splitShare("slip.pbe", "2-of-3");
    const [first = "", second = ""] = cards;
    const slip = second.replace(
      /(Share value : )(.)/,
      (_, name: string, digit: string) => name + (digit === "1" ? "2" : "1"),
    );
    const parts = cardFile("slip.parts", [first, slip]);
    const { error } = (await officer.fits(9, `share check ${path} --share-parts file:${parts}`)) as {
      error: { code: string; message: string; details: unknown };
    };
    expect(error).toMatchObject({ code: "SPLIT_PART_MISTYPED", details: { part: 2 } });
    expect(error.message).toContain("part 2");
  });

  test.each([
    ["is not there", 2, null],
    ["holds no card", 2, "hello\n"],
    ["holds one card twice", 2, "twice"],
    ["is the card of another split", 2, "other"],
  ])("a file of parts that %s", async (_, code, content) => {
    const { path, cards } = await splitShare(`odd-${code}-${String(content).trim()}.pbe`, "2-of-3");
    let text = content ?? "";
    if (content === "twice") text = `${cards[0]}\n${cards[0]}`;
    if (content === "other")
      text = `${cards[0]}
${(await splitShare("another.pbe", "2-of-3")).cards[1]}`;
    const parts = content === null ? world.path("no-such") : cardFile("odd.parts", [text]);
    await officer.fits(code, `share check ${path} --share-parts file:${parts}`);
  });

  test("others may not read a file of parts; a source of another kind is refused", async () => {
    const { path, cards } = await splitShare("modes.pbe", "2-of-3");
    const parts = cardFile("modes.parts", cards);
    chmodSync(parts, 0o644);
    await officer.fits(2, `share check ${path} --share-parts file:${parts}`);
    for (const source of ["env:PW", "file:", "literal:x"]) {
      await officer.fits(2, `share check ${path} --share-parts ${source}`);
    }
    await officer.fits(2, `share check ${path} --share-parts prompt`);
    await officer.fits(2, `share check ${path} ${path} --share-parts file:${parts}`);
    await officer.fits(2, `share check ${path} --password env:PW --share-parts file:${parts}`);
  });

  test("cards that are there are left as they are, and the share is not made", async () => {
    const folder = world.path("kept.pbe-cards");
    await splitShare("kept.pbe", "2-of-3");
    const before = readdirSync(folder).map((name) => hexOf(`${folder}/${name}`));
    rmSync(world.path("kept.pbe"));
    await officer.fits(8, `share create ${world.path("kept.pbe")} --split 2-of-3 --cards ${folder}`);
    expect(existsSync(world.path("kept.pbe"))).toBe(false);
    expect(readdirSync(folder).map((name) => hexOf(`${folder}/${name}`))).toEqual(before);
  });
});

describe("a split share of sc-hsm-tool", () => {
  interface Recorded {
    readonly steps: readonly {
      readonly stdout: string;
      readonly files?: Record<string, string>;
      readonly exchange: readonly { readonly c: string }[];
    }[];
  }

  test.each(["0.23.0", "0.27.1"])(
    "as version %s printed it, opens with the share that it sent",
    async (version) => {
      const session = `../recordings/opensc-${version}-pico-hsm/20-dkek-share-password-3-of-5.json`;
      const { steps } = JSON.parse(readFileSync(new URL(session, import.meta.url), "utf8")) as Recorded;
      const made = steps.find(({ files }) => files?.["dkek-n.pbe"] !== undefined);
      const path = officer.file(`${version}.pbe`, fromHex(made?.files?.["dkek-n.pbe"] ?? ""));
      const parts = officer.file(`${version}.parts`, made?.stdout ?? "");
      const sent = steps.flatMap(({ exchange }) => exchange).find(({ c }) => c.startsWith("8052000020"));
      rounds.iterations = undefined;
      try {
        const kcv = await officer.kcvOf(`${path} --share-parts file:${parts}`);
        expect(kcv).toBe(toHex(keyCheckValue(fromHex(sent?.c.slice(10, 74) ?? ""))));
      } finally {
        rounds.iterations = 1000;
      }
    },
    120_000,
  );
});

describe("cards on the terminal", () => {
  test("are shown one after the other and read back; the file comes last", async () => {
    const path = world.path("shown.pbe");
    const person = new Custodians();
    const made = await officer.fits(0, `share create ${path} --split 2-of-3`, { person });
    allCards.push(...person.cards);
    expect(made["cards"]).toBeNull();
    expect(person.cards.map((card) => readCard(card).id)).toEqual(["1", "2", "3"]);
    // The screen is cleared before the card is read back from the paper.
    const readBacks = person.prompts.filter((prompt) => prompt.includes("Read back"));
    expect(readBacks.every((prompt) => prompt.startsWith("\u001B[2J\u001B[3J"))).toBe(true);
    await officer.gets(0, `share check ${path} --share-parts prompt`, { person: typing(person.cards.slice(1)) });
  });

  test("a card that is read back wrong is shown again; the third time ends it without a file", async () => {
    const path = world.path("slips.pbe");
    const twice = new Custodians(2);
    const { stderr } = await officer.gets(0, `share create ${path} --split 2-of-3`, { person: twice });
    expect(stderr).toContain("part 1");
    allCards.push(...twice.cards);
    const never = new Custodians(3);
    const refused = await officer.fits(9, `share create ${world.path("never.pbe")} --split 2-of-3`, { person: never });
    allCards.push(...never.cards);
    expect(refused["error"]).toMatchObject({ code: "SPLIT_PART_MISTYPED" });
    expect(existsSync(world.path("never.pbe"))).toBe(false);
  });

  test("without a terminal nothing is shown anywhere", async () => {
    await officer.fits(2, `share create ${world.path("dark.pbe")} --split 2-of-3`);
    await officer.fits(2, `share create ${world.path("dark.pbe")} --split 2-of-3 --no-input`, {
      person: new Custodians(),
    });
    expect(existsSync(world.path("dark.pbe"))).toBe(false);
  });
});

describe("custodians at the prompt", () => {
  test("a slip is named and typed again", async () => {
    const { path, cards } = await splitShare("typed.pbe", "2-of-3");
    const [one, two] = cards.map(readCard);
    const wrong = one?.value.replace(/^./, (digit) => (digit === "1" ? "2" : "1")) ?? "";
    const person = new TypingPerson(
      ...["nonsense", one?.prime ?? ""],
      ...["zz", "1", wrong, one?.check ?? "", one?.value ?? "", one?.check ?? ""],
      ...["1", "2", two?.value ?? "", two?.check ?? "", ""],
    );
    const { stderr } = await officer.gets(0, `share check ${path} --share-parts prompt`, { person });
    expect(person.left).toBe(0);
    expect(stderr).toContain("part 1 is mistyped");
    expect(stderr).toContain("that part was typed already");
    expect(stderr).not.toContain(wrong);
  });

  test("cards of sc-hsm-tool have no check figure; then a slip is a wrong password", async () => {
    const { path, cards } = await splitShare("bare.pbe", "2-of-3");
    const { stderr } = await officer.gets(0, `share check ${path} --share-parts prompt`, {
      person: typing(cards, false),
    });
    expect(stderr).toContain("without a check figure");
    // In one card only: slips in two of them may cancel out.
    const [first = "", second = ""] = cards;
    const slip = first.replace(
      /(Share value : )(.)/,
      (_, name: string, digit: string) => name + (digit === "1" ? "2" : "1"),
    );
    await officer.gets(4, `share check ${path} --share-parts prompt`, { person: typing([slip, second], false) });
  });

  test("fewer than two parts give up", async () => {
    const { path, cards } = await splitShare("alone.pbe", "2-of-3");
    await officer.gets(10, `share check ${path} --share-parts prompt`, { person: typing(cards.slice(0, 1)) });
  });
});

describe("share rotate among custodians", () => {
  test("password, custodians, another threshold, password again: always the same share", async () => {
    const path = await officer.share("round.pbe");
    const kcv = await officer.kcvOf(`${path} --password env:PW`);
    const folders = [world.path("round-1"), world.path("round-2")];
    const first = await officer.fits(
      0,
      `share rotate ${path} --yes --password env:PW --split 2-of-3 --cards ${folders[0]}`,
    );
    const old = (first["cards"] as string[])
      .slice(0, 2)
      .map((file) => `--share-parts file:${file}`)
      .join(" ");
    expect(await officer.kcvOf(`${path} ${old}`)).toBe(kcv);
    const again = await officer.fits(0, `share rotate ${path} --yes ${old} --split 3-of-4 --cards ${folders[1]}`);
    expect(again).toMatchObject({ kcvAlone: kcv, split: { threshold: 3, total: 4 } });
    await officer.fits(4, `share check ${path} ${old}`);
    const now = (again["cards"] as string[])
      .slice(1)
      .map((file) => `--share-parts file:${file}`)
      .join(" ");
    for (const folder of folders) {
      for (const name of readdirSync(folder)) allCards.push(readFileSync(`${folder}/${name}`, "utf8"));
    }
    await officer.fits(0, `share rotate ${path} --yes ${now} --new-password env:PW2`);
    expect(await officer.kcvOf(`${path} --password env:PW2`)).toBe(kcv);
  });
});

test("no value of any card, and no password, in anything printed", () => {
  expect(allCards.length).toBeGreaterThan(20);
  for (const card of allCards) {
    const { value } = readCard(card);
    expect(value).toMatch(/^[0-9a-f:]{23}$/);
    expect(world.printed).not.toContain(value);
    expect(world.printed.toLowerCase()).not.toContain(value.replaceAll(":", ""));
  }
  for (const secret of Object.values(passwords)) expect(world.printed).not.toContain(secret);
});
