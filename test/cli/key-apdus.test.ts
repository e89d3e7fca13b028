import { readFileSync, writeFileSync } from "node:fs";
import { beforeAll, expect, test } from "vitest";
import { Officer } from "./support/officer.ts";
import { TestWorld } from "./support/test-io.ts";

const world = new TestWorld();
const officer = new Officer(world);
const at = "--pin env:PIN --device sim:count";
let traces = 0;

/** How many commands it sends, by its own recording. */
async function count(argv: string, cache: "on" | "off" | "" = "on"): Promise<number> {
  const trace = world.path(`count-${traces++}.apdu`);
  await officer.gets(0, `${argv} --trace ${trace}`, { env: { HSMADM_KEY_CACHE: cache } });
  return readFileSync(trace, "utf8")
    .split("\n")
    .filter((line) => line.startsWith("> ")).length;
}

beforeAll(async () => {
  const init = "--so-pin env:SO --pin env:PIN --dkek-shares random";
  await officer.gets(0, `device init --device sim:count --label count ${init}`);
  writeFileSync(world.path("data"), "to be signed");
  for (const name of ["a", "b", "c"]) await officer.gets(0, `key generate --type ec:p256 --label ${name} ${at}`);
});

// design.md, "Speed": budgets of exchanges.

test("listing n keys: 4 + 2n", async () => {
  expect(await count("key list --device sim:count")).toBeLessThanOrEqual(4 + 2 * 3);
});

test("signing by label: 8 once the list is remembered; wrapping 8", async () => {
  const sign = `key sign b --in ${world.path("data")} ${at}`;
  await count(sign);
  expect(await count(sign)).toBeLessThanOrEqual(8);
  expect(await count(`key wrap b --out ${world.path("b.key")} ${at}`)).toBeLessThanOrEqual(8);
});

test("a recording does not depend on what is remembered: it replays on a machine that has never seen the token", async () => {
  const trace = world.path("sign.apdu");
  const sign = `key sign b --in ${world.path("data")} --pin env:PIN`;
  await officer.gets(0, `${sign} --device sim:count`);
  const recorded = await officer.gets(0, `${sign} --device sim:count --trace ${trace}`);
  const elsewhere = { HSMADM_HOME: world.path("another-home") };
  const replayed = await officer.gets(0, `${sign} --device trace:${trace}`, { env: elsewhere });
  expect(replayed.stdout).toBe(recorded.stdout);
  await officer.gets(0, `${sign} --device trace:${trace}`);
});
