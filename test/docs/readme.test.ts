import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
// @ts-expect-error plain JavaScript, it must run before anything is built
import { readmeBlock, readmeBlocks, tour } from "../../scripts/lib/tour.mjs";

const root = join(import.meta.dirname, "../..");

test("README shows the session that npm start shows (npm run readme writes it)", () => {
  let session = "";
  tour((text: string) => {
    session += text;
  });
  const readme = readFileSync(join(root, "README.md"), "utf8");
  for (const [name, text] of Object.entries<string>(readmeBlocks(session))) {
    expect(readmeBlock(name).exec(readme)?.[2], name).toBe(text);
  }
});
