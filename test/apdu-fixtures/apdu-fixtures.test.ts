import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { standardStack } from "../../src/apdu/standard-stack.ts";
import { utf8Bytes } from "../../src/bytes/bytes.ts";
import { fromHex, toHex } from "../../src/bytes/hex.ts";
import { openReplay } from "../../src/transport/trace/replay.ts";
import { formatTrace, parseTrace } from "../../src/transport/trace/trace-file.ts";
import { cards, deadlineMs, recordStory } from "./record.ts";
import { type Facts, type Secrets, type Story, stories, testSecrets } from "./stories.ts";

const fixtures = join(import.meta.dirname, "../../apdu-fixtures");
const folder = mkdtempSync(join(tmpdir(), "hsmadm-fixtures-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** Other PINs than those of the recording: a replay must not depend on them. */
const otherSecrets: Secrets = {
  pin: utf8Bytes("000001"),
  newPin: utf8Bytes("000002"),
  wrongPins: ["000003", "000004", "000005"].map(utf8Bytes),
  soPin: fromHex("F0F1F2F3F4F5F6F7"),
  wrongSoPins: Array.from({ length: 15 }, (_, i) => Uint8Array.of(i, 1, 2, 3, 4, 5, 6, 7)),
};

async function replayed(story: Story, text: string): Promise<Facts> {
  const replay = openReplay(text, `${story.name}.apdu`);
  const facts = await story.play(async () => standardStack(replay.connect(), { deadlineMs }), otherSecrets);
  replay.finish();
  return facts;
}

const profiles = ["genuine", "pico"] as const;
const all = profiles.flatMap((profile) =>
  stories.map((story) => ({ profile, story, file: join(fixtures, cards[profile].folder, `${story.name}.apdu`) })),
);

describe.each(all)("$profile: $story.name", ({ profile, story, file }) => {
  const text = () => readFileSync(file, "utf8");

  test("is recorded again byte for byte, and tells the driver the same when it is replayed", async () => {
    const path = join(folder, `${profile}-${story.name}.apdu`);
    const recorded = await recordStory(story, profile, path);
    expect(readFileSync(path, "utf8")).toBe(text());
    expect(await replayed(story, text())).toEqual(recorded);
  });

  test("is in the form in which hsmadm writes, and holds none of the secrets", () => {
    expect(formatTrace(parseTrace(text(), file))).toBe(text());
    const { pin, newPin, wrongPins, soPin, wrongSoPins } = testSecrets;
    for (const secret of [pin, newPin, soPin, ...wrongPins, ...wrongSoPins]) {
      for (const separator of ["", " "]) expect(text().includes(toHex(secret, separator))).toBe(false);
    }
    expect(/648219|917354|57621880/.test(text())).toBe(false);
  });
});

describe("what the stories tell", () => {
  const facts = (name: string, profile: (typeof profiles)[number] = "genuine") => {
    const found = all.find((each) => each.profile === profile && each.story.name === name);
    if (found === undefined) throw new Error(`no story ${name}`);
    return replayed(found.story, readFileSync(found.file, "utf8"));
  };

  test("an uninitialised token says so", async () => {
    const uninitialised = { state: "uninitialised", user: null, so: null };
    expect(await facts("uninitialised")).toMatchObject([{ version: "4.1", simulated: true }, null, uninitialised]);
    const pico = { version: "6.6", simulated: false, chain: "not-verifiable" };
    expect(await facts("uninitialised", "pico")).toMatchObject([pico, null, uninitialised]);
  });

  test("a first status takes six commands", async () => {
    for (const { profile, file } of all.filter(({ story }) => story.name === "first-status")) {
      const status = { state: "operational", user: 3, so: 15 };
      expect(await facts("first-status", profile)).toMatchObject([{}, "fixture", status]);
      const commands = readFileSync(file, "utf8").match(/^> /gm);
      expect(commands, profile).toHaveLength(6);
    }
  });

  test("an initialised token waits for its shares", async () => {
    const pending = { state: "dkek-shares-pending", shares: 2, outstanding: 2 };
    for (const profile of profiles) expect(await facts("initialise", profile)).toMatchObject([{}, "fixture", pending]);
  });

  test("wrong PINs are counted, blocked, and unblocked by the SO-PIN", async () => {
    for (const profile of profiles) {
      expect(await facts("wrong-pin-to-blocked-to-unblocked", profile)).toMatchObject([
        { code: "PIN_WRONG", triesLeft: 2 },
        { code: "PIN_WRONG", triesLeft: 1 },
        { code: "USER_PIN_BLOCKED", kind: "blocked", triesLeft: 0 },
        { state: "user-pin-blocked" },
        { code: "USER_PIN_BLOCKED", kind: "blocked" },
        "done",
        { state: "operational" },
        { code: "PIN_WRONG", triesLeft: 2 },
        "done",
        { state: "operational" },
      ]);
    }
  });

  test("a blocked SO-PIN is the end of administration, not of the keys", async () => {
    const blocked = { code: "SO_PIN_BLOCKED", kind: "blocked" };
    for (const profile of profiles) {
      const told = await facts("so-pin-dead-end", profile);
      const counted = Array.from({ length: 14 }, (_, i) => ({ code: "SO_PIN_WRONG", triesLeft: 14 - i }));
      const end = [blocked, { state: "so-pin-blocked", so: 0 }, blocked, blocked, "done", { state: "so-pin-blocked" }];
      expect(told).toMatchObject([...counted, ...end]);
    }
  });

  test("a transport PIN opens nothing until it was changed", async () => {
    expect(await facts("transport-pin")).toMatchObject([
      { state: "transport-pin" },
      { code: "TRANSPORT_PIN" },
      "done",
      "done",
      { state: "operational" },
    ]);
  });

  test("a card that was pulled or reset: no PIN is presented by itself", async () => {
    for (const { profile, file } of all.filter(({ story }) => story.name.startsWith("card-"))) {
      const text = readFileSync(file, "utf8");
      expect(text.match(/^> 00 20 00 81 06/gm) ?? [], `${profile} ${file}`).toHaveLength(
        file.includes("reset") ? 1 : 0,
      );
    }
    expect(await facts("card-removed-while-the-pin-changes")).toMatchObject([
      { code: "CARD_REMOVED" },
      { state: "operational", user: 3 },
      "done",
    ]);
    expect(await facts("card-reset-by-another-program")).toMatchObject([
      { state: "operational" },
      "done",
      { code: "CARD_RESET", kind: "device" },
      { state: "operational" },
      "fixture",
    ]);
  });
});

test("README.md tells every story, and there are no other files", () => {
  const readme = readFileSync(join(fixtures, "README.md"), "utf8");
  for (const { name, about } of stories) expect(readme).toContain(`| \`${name}\` | ${about} |`);
  const names = stories.map(({ name }) => `${name}.apdu`).sort();
  for (const profile of profiles) expect(readdirSync(join(fixtures, cards[profile].folder)).sort()).toEqual(names);
});
