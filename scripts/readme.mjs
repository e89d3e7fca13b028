// Writes the tour's output into README.md. test/docs/readme.test.ts fails while the two differ.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { build } from "./build.mjs";
import { root } from "./lib/installed.mjs";
import { tour } from "./lib/tour.mjs";

await build();
let session = "";
tour((text) => {
  session += text;
});
const file = join(root, "README.md");
const readme = readFileSync(file, "utf8");
const block = /(<!-- tour:begin -->\n```console\n)[\s\S]*?(```\n<!-- tour:end -->)/;
if (!block.test(readme)) throw new Error("README.md has no tour block");
writeFileSync(
  file,
  readme.replace(block, (_whole, begin, end) => `${begin}${session}${end}`),
);
