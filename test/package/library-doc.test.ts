import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { root } from "./support/scratch-project.ts";

const doc = readFileSync(join(root, "docs/library.md"), "utf8");
const blocks = new Map(
  [...doc.matchAll(/^<!-- (\S+) -->\n```js\n([\s\S]*?)^```$/gm)].map(([, name, code]) => [name, code]),
);

test("docs/library.md shows every example, as it is", () => {
  const examples = readdirSync(join(root, "examples")).filter((name) => name.endsWith(".mjs"));
  expect([...blocks.keys()].sort()).toEqual(examples.sort());
  for (const [name, code] of blocks) expect(code).toBe(readFileSync(join(root, "examples", name ?? ""), "utf8"));
});

test("docs/library.md names only what is exported", async () => {
  const entries: Readonly<Record<string, object>> = {
    hsmadm: await import("../../src/index.ts"),
    "hsmadm/vault": await import("../../src/vault.ts"),
    "hsmadm/testing": await import("../../src/testing.ts"),
  };
  const rows = [...doc.matchAll(/^\| `(hsmadm(?:\/\w+)?)` \| (.*) \|$/gm)];
  expect(rows.map(([, entry]) => entry)).toEqual(Object.keys(entries));
  for (const [, entry = "", text = ""] of rows) {
    for (const [, name] of text.matchAll(/`(\w+)`/g)) expect(Object.keys(entries[entry] ?? {}), entry).toContain(name);
  }
});
