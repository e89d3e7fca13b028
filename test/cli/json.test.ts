import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { beforeAll, describe, expect, test } from "vitest";
import { commands } from "../../src/cli/commands.ts";
import { exitCodes } from "../../src/errors.ts";
import { violations } from "./support/json-schema.ts";
import { Officer, secrets } from "./support/officer.ts";
import { TestWorld } from "./support/test-io.ts";

const docs = fileURLToPath(new URL("../../docs/", import.meta.url));
const world = new TestWorld();
const officer = new Officer(world);

function schemaOf(name: string): Record<string, unknown> {
  return JSON.parse(readFileSync(`${docs}schema/${name.replaceAll(" ", "-")}.json`, "utf8")) as Record<string, unknown>;
}

async function fits(schema: string, code: number, argv: string): Promise<void> {
  const document = await officer.document(code, argv);
  expect(violations(schemaOf(schema), document), argv).toEqual([]);
}

beforeAll(async () => {
  await officer.initialised("j", "--retries 5");
});

describe("--json", () => {
  test("every command has a schema, every schema a command", () => {
    const names = commands.map((spec) => spec.words.join("-"));
    expect(readdirSync(`${docs}schema`).sort()).toEqual([...names, "error"].map((name) => `${name}.json`).sort());
  });

  const init = "--so-pin env:SO --pin env:PIN";
  const good: [schema: string, argv: string][] = [
    ["device status", "device status --device sim:j"],
    ["device status", "device status --device sim:j-new"],
    ["device info", "device info --device sim:j"],
    ["device init", `device init --device sim:j1 --label j1 ${init} --dkek-shares 2`],
    ["device init", `device init --device sim:j2 ${init} --key-domains 3`],
    ["device init", `device init --device sim:j3 --label j3 ${init} --transport-pin`],
    ["device init", `device init --device sim:j --label other ${init} --pka 2-of-3 --dry-run`],
    ["device status", "device status --device sim:j2"],
    ["device status", "device status --device sim:j3"],
    ["device label", "device label other --device sim:j --pin env:PIN"],
    ["device label", "device label other --device sim:j --pin env:PIN --dry-run"],
    ["pin status", "pin status --device sim:j"],
    ["pin verify", "pin verify --device sim:j --pin env:PIN"],
    ["pin verify", "pin verify --device sim:j --pin env:PIN --dry-run"],
    ["pin change", "pin change --device sim:j --pin env:PIN --new-pin env:NEW"],
    ["pin change", "pin change --device sim:j --pin env:PIN --new-pin env:NEW --dry-run"],
    ["pin unblock", "pin unblock --device sim:j --so-pin env:SO --new-pin env:PIN"],
    ["pin unblock", "pin unblock --device sim:j --so-pin env:SO --new-pin env:PIN --dry-run"],
    ["so-pin change", "so-pin change --device sim:j --so-pin env:SO --new-so-pin env:NEWSO"],
    ["so-pin change", "so-pin change --device sim:j --so-pin env:SO --new-so-pin env:NEWSO --dry-run"],
    ["so-pin explain", "so-pin explain 3537363231383830"],
    ["so-pin explain", "so-pin explain 57621880"],
    ["so-pin explain", "so-pin explain nonsense1"],
    ["guard", "guard --device sim:j"],
    ["guard", "guard --device sim:j --dry-run"],
    ["simulator list", "simulator list"],
    ["simulator create", "simulator create j9"],
    ["simulator create", "simulator create j8 --dry-run"],
    ["simulator reset", "simulator reset j9 --yes"],
    ["simulator reset", "simulator reset j9 --dry-run"],
    ["simulator remove", "simulator remove j9 --dry-run"],
    ["simulator remove", "simulator remove j9 --yes"],
    ["simulator serve", "simulator serve sim:j --dry-run"],
    ["doctor", "doctor --device sim:j"],
  ];
  for (const [schema, argv] of good) test(argv, () => fits(schema, 0, argv));

  test("device list and doctor fit whatever this machine has", async () => {
    for (const schema of ["device list", "doctor"]) {
      const { stdout } = await officer.does(`${schema} --json`);
      const document = JSON.parse(stdout) as { error?: unknown };
      const isError = schema === "device list" && document.error !== undefined;
      expect(violations(schemaOf(isError ? "error" : schema), document)).toEqual([]);
    }
  });

  const bad: [code: number, argv: string][] = [
    [2, "device status --nonsense"],
    [2, "pin verify --device sim:j"],
    [2, "device status --device none"],
    [4, "pin verify --device sim:j --pin env:WRONG --no-ledger"],
    [5, "guard --device sim:j --so-pin-tries 15 --user-pin-tries 15"],
    [7, "device status --device fido:auto"],
    [8, "simulator create j"],
    [3, "simulator remove j-none --yes"],
  ];
  for (const [code, argv] of bad) test(`error: ${argv}`, () => fits("error", code, argv));

  test("the validator itself refuses", () => {
    const schema = schemaOf("pin status");
    expect(violations(schema, { schemaVersion: 2, ok: true, command: "pin status" })).not.toEqual([]);
    expect(violations({ type: "object", properties: {}, additionalProperties: false }, { a: 1 })).toEqual([
      "$.a is not in the schema",
    ]);
    expect(violations({ unknownWord: 1 }, {})).toHaveLength(1);
  });
});

test("no secret in anything printed here, the explanation of an SO-PIN apart", () => {
  for (const secret of Object.values(secrets)) expect(world.printed).not.toContain(secret);
});

describe("docs", () => {
  test("exit-codes.md lists every code with its name", () => {
    const text = readFileSync(`${docs}exit-codes.md`, "utf8");
    const rows = [...text.matchAll(/^\| (\d+) *\| `?([a-z-]+)`? *\|/gm)].map(([, code, name]) => [name, Number(code)]);
    expect(Object.fromEntries(rows)).toEqual({ done: 0, ...exitCodes });
  });

  test("json.md names every schema", () => {
    const text = readFileSync(`${docs}json.md`, "utf8");
    for (const file of readdirSync(`${docs}schema`)) expect(text).toContain(`schema/${file}`);
  });

  test("secrets.md shows every source and every option that takes one", () => {
    const text = readFileSync(`${docs}secrets.md`, "utf8");
    for (const source of ["prompt", "fd:N", "file:PATH", "env:NAME", "cmd:HELPER", "literal:"])
      expect(text).toContain(`\`${source}`);
    const options = commands.flatMap((spec) => spec.options ?? []).filter((option) => option.value === "SOURCE");
    for (const { name } of options) expect(text).toContain(`--${name}`);
  });
});
