import { writeFileSync } from "node:fs";
import { expect, test } from "vitest";
import { HsmError } from "../../../src/errors.ts";
import { Officer, secrets } from "../support/officer.ts";
import { TestWorld, TypingPerson } from "../support/test-io.ts";

const world = new TestWorld();
const officer = new Officer(world);

test("a session has an entry for each of its commands, then one for itself", async () => {
  await officer.initialised("s");
  const record = world.path("session.log");
  const file = world.path("session");
  writeFileSync(file, "key generate --type ec:p256 --label one\nkey delete no-such-key --yes\nkey list\n");
  await officer.gets(2, `session run ${file} --device sim:s --pin env:PIN --ceremony ${record} --officer Ada`);
  const document = await officer.document(0, `audit show ${record}`);
  const entries = document["entries"] as Record<string, unknown>[];
  expect(entries.slice(1).map(({ command, exitCode, officer: who }) => [command, exitCode, who])).toEqual([
    ["key generate", 0, "Ada"],
    ["key delete", 2, "Ada"],
    ["session run", 2, "Ada"],
  ]);
  expect(entries[1]).toMatchObject({
    words: ["key", "generate", "--type", "ec:p256", "--label", "one"],
    tokens: [{ label: "s", before: { userPin: { state: "verified" } } }],
  });
  expect(entries[3]).toMatchObject({ tokens: [{ before: { userPin: { triesLeft: 3 } } }] });
  expect(world.printed).not.toContain(secrets.pin);
});

test("a line of a session cannot choose another record", async () => {
  const file = world.path("chooses");
  writeFileSync(file, `key list --ceremony ${world.path("other.log")}\n`);
  const { stderr } = await officer.gets(2, `session run ${file} --device sim:s --pin env:PIN`);
  expect(stderr).toContain("--ceremony belongs before");
});

test("several tokens at once stand in one entry", async () => {
  await officer.initialised("t");
  const record = world.path("several.log");
  await officer.gets(0, `device status --device sim:s,sim:t --ceremony ${record}`);
  const document = await officer.document(0, `audit show ${record}`);
  const [, entry] = document["entries"] as { tokens: { label: string }[] }[];
  expect(entry?.tokens.map(({ label }) => label).sort()).toEqual(["s", "t"]);
});

test("what was interrupted is written down as that, and the token of a vault too", async () => {
  const record = world.path("interrupted.log");
  const interrupted = new HsmError("INTERRUPTED", "interrupted", "interrupted");
  const person = new TypingPerson(interrupted);
  await officer.gets(130, `pin verify --device sim:s --pin prompt --ceremony ${record}`, { person });
  const vault = world.path("v.age");
  await officer.gets(
    0,
    `vault create ${vault} --slot card:one --slot recovery --recovery-out ${world.path("r")} --device sim:s --pin env:PIN --no-input --ceremony ${record}`,
  );
  const document = await officer.document(0, `audit show ${record}`);
  const [, first, second] = document["entries"] as Record<string, unknown>[];
  expect(first).toMatchObject({ exitCode: 130, result: "interrupted", tokens: [{ label: "s" }] });
  expect(second).toMatchObject({ command: "vault create", result: "done", tokens: [{ label: "s" }] });
});
