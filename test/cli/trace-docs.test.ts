import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { traceFormats } from "../../src/transport/trace/foreign/any-trace.ts";
import { TestWorld } from "./support/test-io.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));
const page = readFileSync(`${root}docs/traces.md`, "utf8");
const sessions = [...page.matchAll(/```console\n\$ hsmadm ([^\n]+)\n([\s\S]*?)```/g)];
const world = new TestWorld();

describe("docs/traces.md", () => {
  test.each(sessions.map(([, line = "", output = ""]) => ({ line, output })))("$line", async ({ line, output }) => {
    const words = line.split(" ").map((word) => (/^(apdu-fixtures|test)\//.test(word) ? `${root}${word}` : word));
    const { stdout, code } = await world.run(words);
    expect(`${stdout.replaceAll(root, "")}${code === 0 ? "" : `[exit ${code}]\n`}`).toBe(output);
  });

  test("has sessions of show, convert, diff and replay, and every format", () => {
    expect(sessions.map(([, line = ""]) => line.split(" ")[1])).toEqual(["show", "convert", "diff", "replay"]);
    for (const format of traceFormats) expect(page).toContain(`| \`${format}\` |`);
  });
});
