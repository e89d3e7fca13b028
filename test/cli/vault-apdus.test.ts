import { readFileSync } from "node:fs";
import { beforeAll, expect, test } from "vitest";
import { TestWorld } from "./support/test-io.ts";
import { phrases, VaultOfficer } from "./support/vault-officer.ts";

const world = new TestWorld();
const officer = new VaultOfficer(world);
const card = "--device sim:one --pin env:PIN";
let vault = "";
let traces = 0;

/** The commands it sends, by its own recording. */
async function sent(argv: string): Promise<string[]> {
  const trace = world.path(`count-${traces++}.apdu`);
  await officer.gets(0, `${argv} --trace ${trace}`);
  return readFileSync(trace, "utf8")
    .split("\n")
    .filter((line) => line.startsWith("> "));
}

beforeAll(async () => {
  await officer.token("one", "ec:p256 a", "ec:p256 b", "ec:p256 vault", "ec:p256 c");
  await officer.token("two");
  vault = await officer.vault("v", "one", "two");
  await officer.keeps(vault, "borg", phrases.secret, card);
});

// design.md, "Speed": budgets of exchanges.

test("vault get: ten exchanges at most, one VERIFY among them", async () => {
  const commands = await sent(`vault get ${vault} borg ${card}`);
  expect(commands.length).toBeLessThanOrEqual(10);
  // Without data it asks for the counter only.
  const verify = commands.filter((command) => /^> 00 ?20 ?00 ?81 ?[0-9A-F*]{2}/.test(command));
  expect(verify).toHaveLength(1);
});

test("vault set: the same, and one more key agreement for the proof", async () => {
  const value = officer.file("value", "x");
  expect((await sent(`vault set ${vault} other --in ${value} ${card}`)).length).toBeLessThanOrEqual(11);
});

test("a recording replays without the token, up to what was too secret to be recorded", async () => {
  const trace = world.path("get.apdu");
  await officer.gets(0, `vault get ${vault} borg ${card} --trace ${trace}`);
  const error = await officer.refused(9, `vault open ${vault} --device trace:${trace} --pin env:PIN`);
  expect(error).toMatchObject({ code: "TRACE_ANSWER_REDACTED", message: expect.stringContaining("ECDH key 03") });
});
