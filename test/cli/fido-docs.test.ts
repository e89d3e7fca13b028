import { readFileSync, writeFileSync } from "node:fs";
import { beforeAll, expect, test } from "vitest";
import { ctapError } from "../../src/cards/fido2/ctap-status.ts";
import { fidoCommands } from "../../src/cli/fido/fido-commands.ts";
import { replayedPage } from "./support/doc-sessions.ts";
import { TestWorld } from "./support/test-io.ts";

const page = new URL("../../docs/fido.md", import.meta.url);
const text = readFileSync(page, "utf8");
const world = new TestWorld();
const env = { HSMADM_SIMULATOR_SEED: "fido" };

async function session(line: string): Promise<string> {
  const words = line.split(" ").map((word) => word.replace(/[a-z]+\.pin/, (name) => world.path(name)));
  const { stdout, stderr, code } = await world.run(words, { env });
  return `${stdout}${stderr}`.replaceAll(`${world.home}/`, "") + (code === 0 ? "" : `[exit ${code}]\n`);
}

beforeAll(() => {
  const files = { "first.pin": "squirrel", "second.pin": "otter-58", "wrong.pin": "squirel" };
  for (const [name, pin] of Object.entries(files)) writeFileSync(world.path(name), pin, { mode: 0o600 });
});

test("docs/fido.md shows what the commands print", async () => {
  const now = await replayedPage(text, session);
  if (process.env["HSMADM_WRITE_DOCS"] !== undefined) writeFileSync(page, now);
  else expect(text).toBe(now);
});

test("docs/fido.md names every verb", () => {
  for (const { words } of fidoCommands) expect(text).toContain(`hsmadm ${words.join(" ")}`);
});

test("docs/fido.md says of each status what the errors say", () => {
  const rows = [...text.matchAll(/^\| ([0-9A-F]{2}(?:, [0-9A-F]{2})*) \| `(\w+)` \| (\d+) \|/gm)];
  expect(rows.length).toBeGreaterThan(8);
  for (const [, statuses = "", code, exit] of rows) {
    for (const status of statuses.split(", ")) {
      const error = ctapError(Number.parseInt(status, 16), "test", { token: "test" });
      expect([error.code, String(error.exitCode)], status).toEqual([code, exit]);
    }
  }
});
