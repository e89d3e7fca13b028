import { readFileSync, writeFileSync } from "node:fs";
import { beforeAll, expect, test, vi } from "vitest";
import { fromHex } from "../../src/bytes/hex.ts";
import { keyCommands } from "../../src/cli/keys/key-commands.ts";
import { replayedPage } from "./support/doc-sessions.ts";
import { TestWorld } from "./support/test-io.ts";

vi.mock("../../src/crypto/shares/share-key.ts", async (original) =>
  (await import("./support/fewer-rounds.ts")).fewerRounds(original),
);

const page = new URL("../../docs/keys.md", import.meta.url);
const text = readFileSync(page, "utf8");
const world = new TestWorld();
const env = { HSMADM_DEVICE: "sim:demo", HSMADM_SIMULATOR_SEED: "keys" };
const inFolder = /(?<![\w.-])([a-z]+\.(?:pin|txt|sig|pem|key|pbe))(?![\w.])/g;

/** One command line as it stands in the page; its files are in the folder of the test. */
async function session(line: string): Promise<string> {
  const words = line.split(" ").map((word) => word.replace(inFolder, (name) => world.path(name)));
  const { stdout, stderr, code } = await world.run(words, { env });
  return `${stdout}${stderr}`.replaceAll(`${world.home}/`, "") + (code === 0 ? "" : `[exit ${code}]\n`);
}

beforeAll(async () => {
  const { cases } = JSON.parse(readFileSync(new URL("../vectors/dkek_share_file.json", import.meta.url), "utf8")) as {
    cases: readonly { iterations: number; file: string }[];
  };
  writeFileSync(world.path("share.pbe"), fromHex(cases.find((one) => one.iterations === 1000)?.file ?? ""));
  const files = {
    "user.pin": "648219",
    "so.pin": "3537363231383830",
    "password.pin": "password",
    "letter.txt": "Dear all\n",
  };
  for (const [name, content] of Object.entries(files)) writeFileSync(world.path(name), content, { mode: 0o600 });
  for (const name of ["demo", "second"]) {
    await session(
      `device init --label ${name} --so-pin file:so.pin --pin file:user.pin --dkek-shares 1 --device sim:${name}`,
    );
    await session(`share import share.pbe --password file:password.pin --pin file:user.pin --device sim:${name}`);
  }
});

test("docs/keys.md shows what the commands print", async () => {
  const now = await replayedPage(text, session);
  if (process.env["HSMADM_WRITE_DOCS"] !== undefined) writeFileSync(page, now);
  else expect(text).toBe(now);
});

test("docs/keys.md names every verb", () => {
  for (const { words } of keyCommands) expect(text).toMatch(new RegExp(`\\b${words[1]}\\b`));
});
