// Writes the tour's output into README.md. test/docs/readme.test.ts fails while the two differ.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { build } from "./build.mjs";
import { root } from "./lib/installed.mjs";
import { readmeBlock, readmeBlocks, tour } from "./lib/tour.mjs";

await build();
let session = "";
tour((text) => {
  session += text;
});
const file = join(root, "README.md");
let readme = readFileSync(file, "utf8");
for (const [name, text] of Object.entries(readmeBlocks(session))) {
  if (!readmeBlock(name).test(readme)) throw new Error(`README.md has no block for the tour: ${name}`);
  readme = readme.replace(readmeBlock(name), (_all, begin, _old, end) => `${begin}${text}${end}`);
}
writeFileSync(file, readme);
