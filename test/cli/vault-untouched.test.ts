import { writeFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { pathToFileURL } from "node:url";
import { beforeAll, expect, test } from "vitest";
import { bin, describeBuilt, Running } from "./support/built.ts";
import { TestWorld } from "./support/test-io.ts";
import { VaultOfficer } from "./support/vault-officer.ts";

const world = new TestWorld();
const officer = new VaultOfficer(world);
let vault = "";
let other = "";

beforeAll(async () => {
  await officer.token("one", "ec:p256 vault", "ec:brainpoolP256r1 bp");
  vault = await officer.vault("v", "one");
  other = world.path("bp");
  const card = "--device sim:one --pin env:PIN";
  await officer.gets(0, `vault create ${other} --slot card:bp --no-recovery ${card}`);
  for (const each of [vault, other]) await officer.keeps(each, "borg", "a phrase", card);
});

interface Seen {
  readonly code: number | null;
  readonly stderr: string;
  readonly things: readonly string[];
}

const env = () => ({ ...process.env, ...officerEnv, HSMADM_HOME: world.home, HSMADM_DEVICE: "" });
const officerEnv = { PIN: "74kX91qz" };
let runs = 0;

/** The command as it is installed; which shared libraries its process has mapped at the end. */
async function mapped(words: readonly string[]): Promise<Seen> {
  const file = world.path("witness.cjs");
  writeFileSync(
    file,
    `process.on("exit", () => {
      const { sharedObjects } = process.report.getReport();
      require("node:fs").writeSync(2, "WITNESS " + JSON.stringify(sharedObjects) + "\\n");
    });`,
  );
  const { code, stderr } = await new Running(process.execPath, ["--require", file, bin, ...words], { env: env() })
    .ended;
  const [, text = "[]"] = /^WITNESS (.*)$/m.exec(stderr) ?? [];
  return { code, stderr, things: JSON.parse(text) as string[] };
}

/** The same code before it was put into one file; every module that its process loads. */
async function loaded(words: readonly string[]): Promise<Seen> {
  const [hooks, register, start] = [world.path("hooks.mjs"), world.path("register.mjs"), world.path("start.mjs")];
  const list = world.path(`loaded-${runs++}`);
  writeFileSync(
    hooks,
    `import { appendFileSync } from "node:fs";
    export const load = (url, context, next) => (appendFileSync(${JSON.stringify(list)}, url + "\\n"), next(url, context));`,
  );
  writeFileSync(register, `import { register } from "node:module"; register("./hooks.mjs", import.meta.url);`);
  writeFileSync(
    start,
    `const { run, processIo } = await import(${JSON.stringify(new URL("../src/cli/main.js", pathToFileURL(bin)).href)});
    process.exitCode = await run(process.argv.slice(2), processIo());`,
  );
  const argv = ["--import", pathToFileURL(register).href, start, ...words];
  const { code, stderr } = await new Running(process.execPath, argv, { env: env() }).ended;
  return { code, stderr, things: (await readFile(list, "utf8")).split("\n") };
}

const bindings = /pcsc|node-hid|hidapi|usb|\.node$/i;
/** What takes time to load, and belongs to slots that are not opened here. */
const heavy = /@noble|age-encryption|jose|pkijs|asn1js|\/cards\/|\/transport\//;
const of = (pattern: RegExp, { things }: Seen) => things.filter((each) => pattern.test(each));
const words = (line: string) => ["vault", ...line.replace("FILE", vault).replace("OTHER", other).split(" ")];

describeBuilt("nothing is loaded that nobody asked for", () => {
  test.each([
    [3, "get FILE borg"],
    [3, "open FILE --device none"],
    [3, "set FILE borg --device none"],
    [3, "unseal FILE"],
    [3, "slot add FILE passphrase"],
    [3, "rekey FILE"],
    [0, "status FILE"],
  ] as const)("exit %i: vault %s", async (code, line) => {
    const [installed, modules] = await Promise.all([mapped(words(line)), loaded(words(line))]);
    expect([installed.code, modules.code], installed.stderr + modules.stderr).toEqual([code, code]);
    expect(of(bindings, installed)).toEqual([]);
    expect([...of(bindings, modules), ...of(heavy, modules)]).toEqual([]);
  });

  test("nor for a slot that Node opens itself", async () => {
    for (const line of ["get FILE borg", "get OTHER borg"]) {
      const seen = await loaded(words(`${line} --device sim:one --pin env:PIN`));
      expect(seen.code, seen.stderr).toBe(0);
      expect(of(/@noble|age-encryption|jose|pkijs|asn1js|node-hid|transport\/pcsc/, seen)).toEqual([]);
    }
  });

  test("the witness sees packages, and a reader that was asked for", async () => {
    const seen = await loaded(words("open FILE --device auto"));
    expect(of(/node_modules\/yargs/, seen)).not.toEqual([]);
    expect(of(/transport\/pcsc/, seen)).not.toEqual([]);
  });
});
