import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { beforeAll, expect, test } from "vitest";
import { replayedPage } from "../support/doc-sessions.ts";
import { TestWorld } from "../support/test-io.ts";

const page = new URL("../../../docs/ceremony.md", import.meta.url);
const text = readFileSync(page, "utf8");
const world = new TestWorld();
const env = { HSMADM_DEVICE: "sim:demo", HSMADM_SIMULATOR_SEED: "ceremony" };
const inFolder = /^(file:)?([a-z]+\.(?:pin|log))$/;
let minute = 0;

/** One command line as it stands in the page, a minute after the one before; its files are in the folder of the test. */
async function session(line: string): Promise<string> {
  const argv = line.split(" ").map((word) => word.replace(inFolder, (_, file = "", name) => file + world.path(name)));
  const now = new Date(Date.UTC(2026, 10, 20, 12, minute++));
  const { stdout, stderr, code } = await world.run(argv, { env, now });
  // The record has a random id, and by it every hash is another one.
  const hidden = `${stdout}${stderr}`.replaceAll(`${world.home}/`, "").replace(/\b[0-9a-f]{32}([0-9a-f]{32})?\b/g, "…");
  return hidden + (code === 0 ? "" : `[exit ${code}]\n`);
}

beforeAll(() => {
  for (const [name, content] of [
    ["user.pin", "648219"],
    ["other.pin", "912846"],
    ["so.pin", "3537363231383830"],
  ] as const) {
    writeFileSync(world.path(name), content, { mode: 0o600 });
  }
});

test("docs/ceremony.md shows what the commands print", async () => {
  const now = await replayedPage(text, session);
  if (process.env["HSMADM_WRITE_DOCS"] !== undefined) writeFileSync(page, now);
  else expect(text).toBe(now);
});

test("every refusal of a record is on the page", () => {
  const folder = new URL("../../../src/services/ceremony/", import.meta.url);
  const sources = readdirSync(folder).map((name) => readFileSync(new URL(name, folder), "utf8"));
  const codes = [...sources.join("\n").matchAll(/(?:broken\(|wrong\()\s*"(CEREMONY_[A-Z_]+)"/g)].map(
    ([, code]) => code,
  );
  expect(new Set(codes).size).toBeGreaterThan(9);
  for (const code of codes) expect(text).toContain(`\`${code}\``);
});
