import { writeFileSync } from "node:fs";
import { beforeAll, expect, test } from "vitest";
import { bin, describeBuilt, Running } from "./support/built.ts";
import { TestWorld } from "./support/test-io.ts";
import { VaultOfficer } from "./support/vault-officer.ts";

const world = new TestWorld();
const officer = new VaultOfficer(world);
let vault = "";

beforeAll(async () => {
  await officer.token("one");
  vault = await officer.vault("v", "one");
});

/** Prints at its end which shared libraries the process has mapped, and which of its own modules it loaded. */
const witness = `
process.on("exit", () => {
  const { writeSync } = require("node:fs");
  const shared = process.report.getReport().sharedObjects.filter((path) => /\\.node$|pcsc|hidapi|usb/i.test(path));
  writeSync(2, "WITNESS " + JSON.stringify({ shared, loaded: Object.keys(require.cache).filter((path) => /node_modules/.test(path)) }) + "\\n");
});
`;

async function loaded(
  ...words: string[]
): Promise<{ code: number | null; shared: string[]; loaded: string[]; stderr: string }> {
  const file = world.path("witness.cjs");
  writeFileSync(file, witness);
  const env = { ...process.env, HSMADM_HOME: world.home, HSMADM_DEVICE: "" };
  const { code, stderr } = await new Running(process.execPath, ["--require", file, bin, ...words], { env }).ended;
  const [, text = "{}"] = /^WITNESS (.*)$/m.exec(stderr) ?? [];
  return { code, stderr, ...(JSON.parse(text) as { shared: string[]; loaded: string[] }) };
}

describeBuilt("nothing is loaded that nobody asked for", () => {
  test.each([
    [3, "get FILE borg"],
    [3, "open FILE --device none"],
    [0, "status FILE"],
  ] as const)("exit %i: vault %s", async (code, words) => {
    const seen = await loaded("vault", ...words.replace("FILE", vault).split(" "));
    expect(seen.code, seen.stderr).toBe(code);
    expect(seen.shared).toEqual([]);
    expect(seen.loaded.filter((path) => /pcsc|node-hid|noble|age-encryption|jose|pkijs/.test(path))).toEqual([]);
  });
});
