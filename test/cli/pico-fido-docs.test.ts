import { readFileSync, writeFileSync } from "node:fs";
import { beforeAll, expect, test } from "vitest";
import { picoFidoCommands } from "../../src/cli/fido/pico-commands.ts";
import { replayedPage } from "./support/doc-sessions.ts";
import { TestWorld } from "./support/test-io.ts";

const page = new URL("../../docs/pico-fido.md", import.meta.url);
const text = readFileSync(page, "utf8");
const world = new TestWorld();

async function session(line: string): Promise<string> {
  const words = line
    .split(" ")
    .map((word) => word.replace(/\b[a-z]+\.(pin|words|backup)$/, (name) => world.path(name)));
  // The page tells of a plug-in before each unlock.
  const power = line.startsWith("fido secure unlock") ? "cycle" : "kept";
  const env = { HSMADM_SIMULATOR_SEED: "pico-fido", HSMADM_SIMULATOR_POWER: power };
  const { stdout, stderr, code } = await world.run(words, { env });
  // Host keys are random, whatever the simulator is.
  const shown = `${stdout}${stderr}`.replace(/\b[0-9a-f]{16}\b/g, "5d2c9a41e07b36f8").replaceAll(`${world.home}/`, "");
  return shown + (code === 0 ? "" : `[exit ${code}]\n`);
}

beforeAll(() => writeFileSync(world.path("fido.pin"), "squirrel", { mode: 0o600 }));

test("docs/pico-fido.md shows what the commands print", async () => {
  const now = await replayedPage(text, session);
  if (process.env["HSMADM_WRITE_DOCS"] !== undefined) writeFileSync(page, now);
  else expect(text).toBe(now);
});

test("docs/pico-fido.md names every verb", () => {
  for (const { words } of picoFidoCommands) expect(text).toContain(`hsmadm ${words.join(" ")}`);
});

test("docs/pico-fido.md names errors that exist", () => {
  const source = ["lock", "lock-errors"].map((file) =>
    readFileSync(new URL(`../../src/services/pico-fido/${file}.ts`, import.meta.url), "utf8"),
  );
  const named = [...text.matchAll(/`(PICO_FIDO_[A-Z_]+)`/g)].map((match) => match[1] ?? "");
  expect(named.length).toBeGreaterThan(5);
  for (const code of named) expect(source.join("\n"), code).toContain(`"${code}"`);
});
