import { readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { standardStack } from "hsmadm";
import { openReplay } from "hsmadm/testing";
import { stories } from "./stories.mjs";

const { resolve } = createRequire(import.meta.url);
const root = dirname(resolve("hsmadm/apdu-fixtures/README.md"));
const expected = JSON.parse(readFileSync(new URL("expected.json", import.meta.url), "utf8"));

export const fixtures = readdirSync(root, { recursive: true })
  .filter((path) => path.endsWith(".apdu"))
  .sort();

/** Other secrets than those of the recording, of the same lengths. */
const bytes = (length, fill) => new Uint8Array(length).fill(fill);
const secrets = {
  pin: bytes(6, 0x31),
  newPin: bytes(6, 0x32),
  wrongPins: [0x33, 0x34, 0x35].map((fill) => bytes(6, fill)),
  soPin: bytes(8, 0xaa),
  wrongSoPins: Array.from({ length: 15 }, (_, i) => bytes(8, i)),
};

/** Plays the story of a recording against it. @returns what the driver said now, and what it said to the token */
export async function played(fixture) {
  const name = fixture.replace(/^.*\/|\.apdu$/g, "");
  const story = stories.find((each) => each.name === name);
  if (story === undefined) throw new Error(`no story is named ${name}`);
  const replay = openReplay(readFileSync(join(root, fixture), "utf8"), fixture);
  const facts = await story.play(async () => standardStack(replay.connect(), { deadlineMs: 10_000 }), secrets);
  replay.finish();
  return { facts: JSON.parse(JSON.stringify(facts)), expected: expected[fixture] };
}
