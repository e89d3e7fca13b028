import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { commands, nouns } from "../../src/cli/commands.ts";
import { manPage } from "../../src/cli/man-page.ts";
import { globalOptions } from "../../src/cli/options.ts";
import { exitCodes } from "../../src/errors.ts";
import { describeWith } from "../support/needs.ts";
import { describeBuilt } from "./support/built.ts";
import { TestWorld } from "./support/test-io.ts";

const world = new TestWorld();
const page = manPage("1.2.3");
const flat = (text: string) => text.replace(/[\s­]+/gu, " ");

describe("the manual page", () => {
  test("says what --help says, command by command", async () => {
    const plain = page
      .replace(/\\\[u([0-9A-F]{4,5})\]/g, (_whole, hex: string) => String.fromCodePoint(Number.parseInt(hex, 16)))
      .replaceAll("\\-", "-")
      .replaceAll("\\&", "")
      .replaceAll("\\e", "\\");
    for (const noun of Object.keys(nouns)) expect(plain).toContain(`.SS "${noun}"`);
    for (const spec of commands) {
      const words = `hsmadm ${spec.words.join(" ")}`;
      const help = flat((await world.run([...spec.words, "--help"])).stdout);
      const from = plain.search(new RegExp(`^\\.B ${words}( |$)`, "m"));
      expect(from, words).toBeGreaterThan(0);
      expect(help).toContain(spec.summary);
      expect(plain).toContain(spec.summary);
      const section = plain.slice(from);
      for (const { name, value, describe: meaning } of spec.options ?? []) {
        expect(section, `${words} --${name}`).toContain(`.B --${name}${value ? ` ${value}` : ""}\n${meaning}`);
        expect(help, `${words} --${name}`).toContain(flat(`--${name} ${value ? `${value}: ` : ""}${meaning}`));
      }
    }
    for (const { name, value, describe: meaning } of globalOptions)
      expect(plain).toContain(`.B --${name}${value ? ` ${value}` : ""}\n${meaning}`);
    for (const [kind, code] of Object.entries(exitCodes)) expect(plain).toContain(`.B ${code}\n${kind}`);
  });

  test("no text is taken for a request, everything is ASCII", () => {
    expect(page).not.toMatch(/[^\x20-\x7e\n]/);
    // A bare hyphen is set as a typographic one, which no shell takes for an option.
    expect(page).not.toMatch(/(?<!\\)-/);
    for (const line of page.split("\n").filter((one) => one.startsWith("."))) {
      expect(line).toMatch(/^\.(TH|nh|ad|SH|SS|TP|PP|RS|RE|BR?)( |$)/);
    }
    expect(page).not.toMatch(/^'/m);
  });
});

describeBuilt("the built manual page", () => {
  test("is this one", () => {
    const read = (path: string) => readFileSync(fileURLToPath(new URL(`../../${path}`, import.meta.url)), "utf8");
    const { version, man } = JSON.parse(read("package.json")) as { version: string; man: string };
    expect(read(man)).toBe(manPage(version));
  });
});

describeWith(["groff"], "groff", () => {
  test.each([80, 40])("finds nothing to warn of at %i columns", (columns) => {
    writeFileSync(world.path("hsmadm.1"), page);
    const options = ["-man", "-Tutf8", "-ww", `-rLL=${columns}n`, "-P-cbou", world.path("hsmadm.1")];
    const { status, stdout, stderr } = spawnSync("groff", options, { encoding: "utf8" });
    // What cannot be broken (a path, an option with its value) may stick out of 40 columns.
    const warnings = stderr
      .split("\n")
      .filter((line) => line !== "" && !(columns === 40 && /can't break line|cannot (break|adjust)/.test(line)));
    expect({ status, warnings }).toEqual({ status: 0, warnings: [] });
    expect(stdout).toContain("hsmadm - administer");
    if (columns === 80) expect(Math.max(...stdout.split("\n").map((line) => line.length))).toBeLessThanOrEqual(80);
  });
});
