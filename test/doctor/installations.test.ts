import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, test } from "vitest";
import { describeBuilt, Running } from "../cli/support/built.ts";
import { missing } from "../support/needs.ts";
import type { DoctorDocument } from "./support/document.ts";

/** Installations whose PC/SC bindings do not load, each as it comes about; the built command runs from a copy. */

const root = fileURLToPath(new URL("../..", import.meta.url));
const modules = join(root, "node_modules");
const optional = ["pcsclite", "pcsc-mini", "@pcsc-mini"];
const made: string[] = [];
afterAll(() => {
  for (const folder of made) rmSync(folder, { recursive: true, force: true });
});

/** The command and what it needs, without the optional packages. */
function installation(): string {
  const folder = mkdtempSync(join(tmpdir(), "hsmadm-install-"));
  made.push(folder);
  cpSync(join(root, "dist"), join(folder, "dist"), { recursive: true });
  cpSync(join(root, "package.json"), join(folder, "package.json"));
  mkdirSync(join(folder, "node_modules"));
  for (const name of readdirSync(modules)) {
    if (!optional.includes(name)) symlinkSync(join(modules, name), join(folder, "node_modules", name));
  }
  return folder;
}

/** A package as npm leaves it when no install script runs: everything but what would have been built. */
function unbuilt(folder: string, name: string): string {
  const there = join(folder, "node_modules", name);
  cpSync(join(modules, name), there, { recursive: true });
  rmSync(join(there, "build"), { recursive: true, force: true });
  return there;
}

async function run(folder: string, words: string, env: NodeJS.ProcessEnv = {}) {
  return new Running(process.execPath, [join(folder, "dist/bin/hsmadm.js"), ...words.split(" ")], {
    env: { ...process.env, HSMADM_HOME: join(folder, "home"), ...env },
  }).ended;
}

async function bindingsRung(folder: string, env?: NodeJS.ProcessEnv) {
  const { code, stdout } = await run(folder, "doctor --json", env);
  const document = JSON.parse(stdout) as DoctorDocument;
  expect(code).toBe(11);
  const rung = document.rungs.at(-1);
  expect(rung).toMatchObject({ name: "bindings", ok: false, fault: "BINDING_NOT_LOADABLE" });
  return { notes: rung?.notes.join("\n") ?? "", fix: rung?.fix?.join("\n") ?? "" };
}

const installed = optional.filter((name) => name !== "@pcsc-mini").every((name) => readdirSync(modules).includes(name));

(installed ? describeBuilt : describe.skip)("an installation", () => {
  test("without the optional packages: each is installed by name, and the rest works", async () => {
    const folder = installation();
    const { notes, fix } = await bindingsRung(folder);
    expect(notes).toMatch(/pcsclite: it is not installed[\s\S]*pcsc-mini: it is not installed/);
    expect(fix).toContain(`  cd ${folder} && npm install --no-save --include=optional pcsclite\n`);
    expect(fix).toContain(`  cd ${folder} && npm install --no-save --include=optional pcsc-mini\n`);

    // A newcomer without any of this hears of the way that needs none of it.
    for (const words of ["device list", "device status"]) {
      const { code, stderr } = await run(folder, words);
      expect(code, words).toBe(11);
      expect(stderr, words).toContain("sim:demo");
    }
    expect((await run(folder, "device status --device sim:demo")).code).toBe(0);
  });

  test("whose install scripts were off: said, and the rebuild allows them", async () => {
    const folder = installation();
    unbuilt(folder, "pcsclite");
    writeFileSync(join(folder, ".npmrc"), "ignore-scripts=true\n");
    const { notes, fix } = await bindingsRung(folder);
    expect(notes).toContain("pcsclite: it was never built: npm was told to run no install scripts");
    expect(fix).toContain(`  cd ${folder} && npm rebuild pcsclite --ignore-scripts=false\n`);
  });

  test("whose install script npm blocked: how to approve it", async () => {
    const folder = installation();
    unbuilt(folder, "pcsclite");
    const { fix } = await bindingsRung(folder, { npm_config_ignore_scripts: "" });
    expect(fix).toContain("npm approve-scripts pcsclite");
  });

  test.skipIf(missing("cc") !== null)("made for another version of Node: both versions, and what to run", async () => {
    const folder = installation();
    const release = join(unbuilt(folder, "pcsclite"), "build/Release");
    mkdirSync(release, { recursive: true });
    writeFileSync(join(folder, "old.c"), moduleOfNode14);
    execFileSync("cc", ["-shared", "-fPIC", "-o", join(release, "pcsclite.node"), join(folder, "old.c")]);
    const { notes, fix } = await bindingsRung(folder);
    expect(notes).toContain(`(module version 83, this one wants ${process.versions.modules})`);
    expect(fix).toContain(`  cd ${folder} && npm rebuild pcsclite\n`);
    const { stderr } = await run(folder, "device list");
    expect(stderr).toContain("NODE_MODULE_VERSION 83");
  });

  test("copied from another system: the prebuilt binding says so", async () => {
    const folder = installation();
    cpSync(join(modules, "pcsc-mini"), join(folder, "node_modules/pcsc-mini"), { recursive: true });
    const { notes } = await bindingsRung(folder);
    expect(notes).toContain("pcsc-mini: it is there for another system or processor only");
  });
});

/** Registers itself as a native module built for Node 14 (module version 83), as every module built with NAN does. */
const moduleOfNode14 = `
extern void node_module_register(void *);
static struct { int version; unsigned flags; void *handle; const char *file; void *init, *context; const char *name;
  void *priv, *link; } module = { 83, 0, 0, "old.c", 0, 0, "pcsclite", 0, 0 };
__attribute__((constructor)) static void start(void) { node_module_register(&module); }
`;
