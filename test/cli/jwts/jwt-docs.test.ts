import { readFileSync, writeFileSync } from "node:fs";
import { beforeAll, expect, test } from "vitest";
import { replayedPage } from "../support/doc-sessions.ts";
import { TestWorld } from "../support/test-io.ts";

const page = new URL("../../../docs/jwt.md", import.meta.url);
const text = readFileSync(page, "utf8");
const world = new TestWorld();
const env = { HSMADM_DEVICE: "sim:demo", HSMADM_SIMULATOR_SEED: "jwt" };
const inFolder = /^(file:)?([a-z]+\.(?:pin|json|jwt))$/;

/** One command line as it stands in the page; its files are in the folder of the test. */
async function session(line: string): Promise<string> {
  const words = [...line.matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain ?? "");
  const argv = words.map((word) =>
    word === "$(cat device.jwt)"
      ? readFileSync(world.path("device.jwt"), "utf8").trim()
      : word.replace(inFolder, (_, file = "", name: string) => file + world.path(name)),
  );
  const { stdout, stderr, code } = await world.run(argv, { env });
  // The name of a token is random.
  const shown = `${stdout}${stderr}`.replaceAll(`${world.home}/`, "").replace(/^( {2}jti: ").*"$/gm, '$1…"');
  return shown + (code === 0 ? "" : `[exit ${code}]\n`);
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

test("docs/jwt.md shows what the commands print", async () => {
  const now = await replayedPage(text, session);
  if (process.env["HSMADM_WRITE_DOCS"] !== undefined) writeFileSync(page, now);
  else expect(text).toBe(now);
});

test("every refusal of `jwt verify` is on the page", () => {
  for (const file of ["jwt-verify.ts", "jwks.ts"]) {
    const source = readFileSync(new URL(`../../../src/services/jwt/${file}`, import.meta.url), "utf8");
    for (const [, code] of source.matchAll(/"(JW(?:T|KS)_[A-Z_]+)"/g)) expect(text).toContain(`\`${code}\``);
  }
});
