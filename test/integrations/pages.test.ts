import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { expect, test } from "vitest";
import { describeBuilt } from "../cli/support/built.ts";
import { missing } from "../support/needs.ts";
import { shellPage } from "./support/shell-page.ts";
import { furnish, Workshop } from "./support/workshop.ts";

/** Pages whose sessions are run with the real programs, what these need, and the version whose messages they show. */
const pages: readonly [name: string, needs: readonly string[], version?: RegExp][] = [
  ["age", ["age", "jq"], /^v?1\.1\./],
  ["borg", ["borg", "openssl"], /^borg 1\./],
  ["luks", ["cryptsetup", "jq"]],
  ["zfs", []],
];

describeBuilt("pages of other programs", () => {
  for (const [name, needs, version] of pages) {
    const reason = missing(...needs) ?? otherVersion(needs[0], version);
    if (reason !== null && process.env["HSMADM_TEST_NOTHING_MISSING"] !== undefined) throw new Error(reason);
    test.skipIf(reason !== null)(`docs/${name}.md shows what the programs print`, async () => {
      const page = new URL(`../../docs/${name}.md`, import.meta.url);
      const text = readFileSync(page, "utf8");
      const shop = new Workshop(name);
      await furnish(shop, "office");
      const now = await shellPage(text, shop);
      if (process.env["HSMADM_WRITE_DOCS"] !== undefined) writeFileSync(page, now);
      else expect(text).toBe(now);
    });
  }
});

function otherVersion(program: string | undefined, version: RegExp | undefined): string | null {
  if (program === undefined || version === undefined) return null;
  const { stdout } = spawnSync(program, ["--version"], { encoding: "utf8" });
  return version.test(stdout) ? null : `the page shows another version than ${program} ${stdout.trim()}`;
}
