import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { build } from "esbuild";
import { afterAll, beforeAll, expect, test } from "vitest";
import { debianPython, describeWith, stackNeeds, withPcscd } from "../support/needs.ts";

/** python-fido2, which knows nothing of ours, with our authenticator in a virtual reader of a real pcscd. */

interface Result {
  readonly exit: number | string;
  readonly lines: readonly string[];
  readonly stderr: string;
  readonly fault: string | null;
}

describeWith([...stackNeeds, "python3-fido2", "python3-pyscard"], "python-fido2 and a simulated authenticator", () => {
  let folder: string;
  let runner: string;
  const said = new Map<string, Readonly<Record<string, unknown>>>();
  let lines: readonly string[];

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "hsmadm-fido-"));
    runner = await bundledRunner();
    const story = fileURLToPath(new URL("story.py", import.meta.url));
    const resultPath = join(folder, "result");
    const statePath = join(folder, "demo.fido2");
    const command = [process.execPath, runner, statePath, resultPath, debianPython, story];
    await promisify(execFile)(withPcscd, command, { timeout: 180_000 });
    const result = JSON.parse(readFileSync(resultPath, "utf8")) as Result;
    expect(result.stderr).toBe("");
    expect(result.exit).toBe(0);
    expect(result.fault).toBeNull();
    lines = result.lines;
    for (const line of lines.filter((one) => one.startsWith("{"))) {
      const { step, ...facts } = JSON.parse(line) as { step: string };
      said.set(step, facts);
    }
  }, 200_000);
  afterAll(() => {
    rmSync(folder, { recursive: true });
    rmSync(dirname(runner), { recursive: true });
  });

  test("is recognised", () => {
    expect(said.get("info")).toMatchObject({
      versions: ["FIDO_2_0", "FIDO_2_1"],
      extensions: ["credProtect", "hmac-secret", "hmac-secret-mc"],
      aaguid: "68736d61646d2073696d756c61746564",
      options: { clientPin: false, rk: true, up: true, alwaysUv: false, pinUvAuthToken: true },
      protocols: [2, 1],
      size: 1200,
    });
  });

  test("makes a credential and gives its secrets without a PIN, the same by both protocols", () => {
    expect(said.get("no PIN")).toEqual({
      flags: [0xc1, 0x81, 0x81],
      extensions: { "hmac-secret": true },
      same: true,
      outputs: 2,
      idLength: 96,
    });
  });

  test("sets a PIN once, changes it, counts tries", () => {
    expect(said.get("PIN set")).toEqual({ clientPin: true, again: "33", retries: [8, false] });
  });

  test("with the PIN the secret is another one, and the old one stays", () => {
    expect(said.get("PIN used")).toEqual({
      wrong: "31",
      after: 7,
      retries: 8,
      flags: 0x85,
      same: true,
      apart: true,
      kept: true,
    });
  });

  test("tells silently what it holds, but for protected credentials", () => {
    expect(said.get("preflight")).toEqual({
      flags: 0xc5,
      credProtect: 3,
      own: "00",
      foreign: "2e",
      protected: "2e",
      withPin: 0x85,
      excluded: "19",
      secretUnseen: "2b",
    });
  });

  test("finds discoverable credentials, the newest first", () => {
    expect(said.get("discoverable")).toEqual({ found: ["user-2", "user-1"] });
  });

  test("waits for a touch and says so; is refused, or nobody comes", () => {
    expect(said.get("touch")).toEqual({ denied: "27", nobody: "2f", flags: 0xc1 });
    expect(lines.filter((line) => line === "touch!")).toHaveLength(1);
  });

  test("wants the PIN always once that is switched on", () => {
    expect(said.get("alwaysUv")).toEqual({ on: true, refused: "36", same: true });
  });

  test("three wrong PINs in a row want a power cycle; an extended APDU gets its answer in one piece", () => {
    expect(said.get("three wrong")).toEqual({
      statuses: ["31", "31", "34"],
      right: "34",
      retries: [5, true],
      cycled: "00",
      extended: [true, 0x90, 0],
    });
  });

  test("a reset forgets PIN and credentials; the state file is the owner's", () => {
    expect(said.get("reset")).toEqual({ status: "00", clientPin: false, gone: "2e" });
    expect(statSync(join(folder, "demo.fido2")).mode & 0o777).toBe(0o600);
  });
});

/** Beside our own modules, where the bundle finds the packages that it loads when it needs them. */
async function bundledRunner(): Promise<string> {
  const cache = fileURLToPath(new URL("../../node_modules/.cache/hsmadm-test/", import.meta.url));
  mkdirSync(cache, { recursive: true });
  const outfile = join(mkdtempSync(join(cache, "fido-")), "runner.mjs");
  await build({
    entryPoints: [fileURLToPath(new URL("runner.ts", import.meta.url))],
    bundle: true,
    platform: "node",
    format: "esm",
    packages: "external",
    outfile,
    logLevel: "error",
  });
  return outfile;
}
