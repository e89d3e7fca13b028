import { readFileSync, writeFileSync } from "node:fs";
import { beforeAll, expect, test } from "vitest";
import { vaultCommands } from "../../src/cli/vaults/vault-commands.ts";
import { replayedPage } from "./support/doc-sessions.ts";
import { TestWorld } from "./support/test-io.ts";

const page = new URL("../../docs/vault.md", import.meta.url);
const text = readFileSync(page, "utf8");
const world = new TestWorld();
const env = { HSMADM_SIMULATOR_SEED: "vault" };
const inFolder = /(?<![\w.-])([a-z]+\.(?:pin|txt|vault))(?![\w.])/g;

/** What is drawn at random in every vault, as the page shows it. */
const drawn: readonly [RegExp, string][] = [
  [/v1-[a-z2-7]{26}/g, "v1-f7dk2mzqxw4c3haqj6rbtyn5le"],
  [/age1[a-z0-9]{58}/g, "age1w7fz0l3x9c8vq5yxk2d4m6n8p0r2s4t6u8w0y2a4c6e8g0h2jqsn5k4m"],
  [/FIDO2 [0-9A-F]{8}/gi, "FIDO2 3f2a0011"],
  [/\b[0-9a-f]{64}\b/g, "8d0c1fd3f6a7e0b45c2e9b7a16d3f84027c5e1908bd6f3a4512c7e9f0b3d6a81"],
];

/** One command line as it stands in the page; its files are in the folder of the test. */
async function session(line: string): Promise<string> {
  const words = line.split(" ").map((word) => word.replace(inFolder, (name) => world.path(name)));
  const { stdout, stderr, code, bytes } = await world.run(words, { env });
  const shown = /\b(?:get|derive)\b/.test(line) && code === 0 ? new TextDecoder().decode(bytes) : stdout;
  const lines = `${shown}${shown.endsWith("\n") || shown === "" ? "" : "\n"}${stderr}`.replaceAll(`${world.home}/`, "");
  return drawn.reduce((all, [what, as]) => all.replace(what, as), lines) + (code === 0 ? "" : `[exit ${code}]\n`);
}

beforeAll(async () => {
  const files = {
    "user.pin": "648219",
    "so.pin": "3537363231383830",
    "passphrase.txt": "correct horse battery staple\n",
  };
  for (const [name, content] of Object.entries(files)) writeFileSync(world.path(name), content, { mode: 0o600 });
  for (const name of ["office", "safe"]) {
    await session(
      `device init --label ${name} --so-pin file:so.pin --pin file:user.pin --dkek-shares none --device sim:${name}`,
    );
  }
  await session("key generate --type ec:p256 --label vault --device sim:safe --pin file:user.pin");
});

test("docs/vault.md shows what the commands print", async () => {
  const now = await replayedPage(text, session);
  if (process.env["HSMADM_WRITE_DOCS"] !== undefined) writeFileSync(page, now);
  else expect(text).toBe(now);
});

test("docs/vault.md names every verb", () => {
  for (const { words } of vaultCommands) expect(text).toMatch(new RegExp(`\\b${words.slice(1).join(" ")}\\b`));
});
