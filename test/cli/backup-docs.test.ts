import { readFileSync, writeFileSync } from "node:fs";
import { beforeAll, expect, test, vi } from "vitest";
import { utf8Bytes } from "../../src/bytes/bytes.ts";
import { backupCommands } from "../../src/cli/backups/backup-commands.ts";
import { sealShareFile } from "../../src/crypto/shares/dkek-share-file.ts";
import { replayedPage } from "./support/doc-sessions.ts";
import { TestWorld } from "./support/test-io.ts";

vi.mock("../../src/crypto/shares/share-key.ts", async (original) =>
  (await import("./support/fewer-rounds.ts")).fewerRounds(original),
);

const page = new URL("../../docs/backup.md", import.meta.url);
const text = readFileSync(page, "utf8");
const { version } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as {
  version: string;
};
const world = new TestWorld();
const env = { HSMADM_DEVICE: "sim:demo", HSMADM_SIMULATOR_SEED: "backup" };
const inFolder = /(?<![\w.-])([a-z]+\.(?:pin|bak|pbe))(?![\w.])/g;

/** One command line as it stands in the page; its files are in the folder of the test. */
async function session(line: string): Promise<string> {
  const words = line.split(" ").map((word) => word.replace(inFolder, (name) => world.path(name)));
  const { stdout, stderr, code } = await world.run(words, { env });
  const shown = `${stdout}${stderr}`.replaceAll(`${world.home}/`, "").replaceAll("0.0.0-test", version);
  return shown + (code === 0 ? "" : `[exit ${code}]\n`);
}

async function does(line: string): Promise<void> {
  expect(await session(line), line).not.toContain("[exit");
}

beforeAll(async () => {
  const secrets = { "user.pin": "648219", "so.pin": "3537363231383830", "share.pin": "correct horse" };
  for (const [name, content] of Object.entries(secrets)) writeFileSync(world.path(name), content, { mode: 0o600 });
  for (const [i, name] of ["one.pbe", "two.pbe"].entries()) {
    const share = new Uint8Array(32).fill(i + 1);
    writeFileSync(world.path(name), await sealShareFile(share, utf8Bytes(secrets["share.pin"])), { mode: 0o600 });
  }
  for (const name of ["demo", "spare"]) {
    const device = `--device sim:${name} --pin file:user.pin`;
    await does(`device init --label ${name} --so-pin file:so.pin --dkek-shares 2 ${device}`);
    await does(`share import one.pbe two.pbe --password file:share.pin ${device}`);
  }
  for (const [label, type] of Object.entries({ signing: "ec:p256", mail: "rsa:2048", disk: "aes:256" })) {
    await does(`key generate --label ${label} --type ${type} --pin file:user.pin`);
  }
});

test("docs/backup.md shows what the commands print", async () => {
  const now = await replayedPage(text, session);
  if (process.env["HSMADM_WRITE_DOCS"] !== undefined) writeFileSync(page, now);
  else expect(text).toBe(now);
});

test("docs/backup.md names every verb", () => {
  for (const { words } of backupCommands) expect(text).toContain(`\`backup ${words[1]} `);
});
