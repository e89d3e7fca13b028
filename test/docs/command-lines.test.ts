import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { parseCommandLine } from "../../src/cli/parser.ts";

const root = join(import.meta.dirname, "../..");
const pages = [
  "README.md",
  ...readdirSync(join(root, "docs"))
    .filter((name) => name.endsWith(".md"))
    .map((name) => `docs/${name}`),
];

/** The command lines of a page: indented or in a console block, what stands behind `#`, `|`, `<`, `>` and `&&` left out. */
function commandLines(text: string): string[] {
  const lines = text.replaceAll("\\\n", " ").split("\n");
  return lines
    .map((line) => /^(?: {4}|\$ |> )(?:[A-Z_]+=\S+ )*hsmadm (.+)$/.exec(line)?.[1])
    .filter((line) => line !== undefined)
    .map((line) => line.split(/\s+(?:#|\||<|>|2>|&&|;)/)[0] as string)
    .filter((line) => !/[[\]…]|\bNOUN\b/.test(line));
}

function words(line: string): string[] {
  return [...line.matchAll(/"([^"]*)"|'([^']*)'|(\S+)/g)].map((match) => match[1] ?? match[2] ?? match[3] ?? "");
}

describe.each(pages)("%s", (page) => {
  const lines = [...new Set(commandLines(readFileSync(join(root, page), "utf8")))];
  test.each(lines.length === 0 ? ["--version"] : lines)("hsmadm %s is a command line of this version", async (line) => {
    const parsed = await parseCommandLine(words(line));
    expect(["command", "help", "version"]).toContain(parsed.kind);
  });
});
