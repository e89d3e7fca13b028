import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { beforeAll, expect, test } from "vitest";
import { certificateCommands } from "../../../src/cli/certificates/certificate-commands.ts";
import { replayedPage } from "../support/doc-sessions.ts";
import { TestWorld } from "../support/test-io.ts";

const page = new URL("../../../docs/certificates.md", import.meta.url);
const text = readFileSync(page, "utf8");
const world = new TestWorld();
const env = { HSMADM_DEVICE: "sim:demo", HSMADM_SIMULATOR_SEED: "certificates" };
const inFolder = /^(file:)?([a-z-]+\.(?:pin|pem|csr))$/;

/** One command line as it stands in the page; its files are in the folder of the test. */
async function session(line: string): Promise<string> {
  if (line.includes("chain.pem") && !existsSync(world.path("chain.pem"))) await makeChain();
  const words = [...line.matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain ?? "");
  const argv = words.map((word) => word.replace(inFolder, (_, file = "", name: string) => file + world.path(name)));
  const { stdout, stderr, code } = await world.run(argv, { env });
  const shown = `${stdout}${stderr}`
    .replaceAll(`${world.home}/`, "")
    .replace(/^(Serial|SHA-256)( +)[0-9A-F]+$/gm, "$1$2…");
  return shown + (code === 0 ? "" : `[exit ${code}]\n`);
}

/** The token's own certificate and that of an authority, as an officer gets them in one file. */
async function makeChain(): Promise<void> {
  const at = "--pin file:user.pin --device sim:authority";
  await session(
    `device init --label a --so-pin file:so.pin --pin file:user.pin --dkek-shares none --device sim:authority`,
  );
  await session(`key generate --type ec:p384 --label root ${at}`);
  await session(`cert self-sign root --subject "CN=Example Root" --authority --days 3650 --out root.pem ${at}`);
  const both = ["tls.pem", "root.pem"].map((name) => readFileSync(world.path(name), "utf8"));
  writeFileSync(world.path("chain.pem"), both.join(""));
}

beforeAll(async () => {
  for (const [name, content] of [
    ["user.pin", "648219"],
    ["so.pin", "3537363231383830"],
  ] as const) {
    writeFileSync(world.path(name), content, { mode: 0o600 });
  }
  await session("device init --label demo --so-pin file:so.pin --pin file:user.pin --dkek-shares none");
});

test("docs/certificates.md shows what the commands print", async () => {
  const now = await replayedPage(text, session);
  if (process.env["HSMADM_WRITE_DOCS"] !== undefined) writeFileSync(page, now);
  else expect(text).toBe(now);
});

test("every verb is on the page", () => {
  for (const { words } of certificateCommands) expect(text).toContain(words.join(" "));
});
