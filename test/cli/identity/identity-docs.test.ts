import { readFileSync, writeFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { replayedPage } from "../support/doc-sessions.ts";
import { TestWorld } from "../support/test-io.ts";

const inFolder = /^(file:)?([a-z-]+\.(?:pin|pka|attestation))$/;

async function officer(world: TestWorld, seed: string) {
  for (const [name, content] of [
    ["user.pin", "648219"],
    ["so.pin", "3537363231383830"],
  ] as const) {
    writeFileSync(world.path(name), content, { mode: 0o600 });
  }
  const env = { HSMADM_DEVICE: "sim:demo", HSMADM_SIMULATOR_SEED: seed };
  return async (line: string): Promise<string> => {
    const words = [...line.matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain ?? "");
    const argv = words.map((word) => word.replace(inFolder, (_, file = "", name: string) => file + world.path(name)));
    const { stdout, stderr, code } = await world.run(argv, { env });
    const shown = `${stdout}${stderr}`.replaceAll(`${world.home}/`, "");
    return shown + (code === 0 ? "" : `[exit ${code}]\n`);
  };
}

const init = "device init --label demo --so-pin file:so.pin --pin file:user.pin --dkek-shares none";

describe.each(["device-identity", "attestation", "n-of-m-login"])("docs/%s.md", (name) => {
  const page = new URL(`../../../docs/${name}.md`, import.meta.url);
  const world = new TestWorld();

  test("shows what the commands print", async () => {
    const session = await officer(world, name);
    for (const device of name === "n-of-m-login" ? ["sim:ann", "sim:ben", "sim:eve"] : ["sim:demo"]) {
      await session(`${init} --device ${device}`);
    }
    for (const device of name === "n-of-m-login" ? ["sim:ben", "sim:eve"] : []) {
      await session(`key generate --type ec:brainpoolP256r1 --label login --pin file:user.pin --device ${device}`);
    }
    const text = readFileSync(page, "utf8");
    const now = await replayedPage(text, session);
    if (process.env["HSMADM_WRITE_DOCS"] !== undefined) writeFileSync(page, now);
    else expect(text).toBe(now);
  });
});
