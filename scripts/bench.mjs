// `npm run bench`: budgets as ratios measured in one run; ends with 1 when one is missed.
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { build } from "./build.mjs";
import { root, run } from "./lib/installed.mjs";

await build();
const { build: bundle } = await import("esbuild");
const out = join(root, "dist", "bench");
mkdirSync(out, { recursive: true });
await bundle({
  entryPoints: ["main", "peer"].map((name) => join(root, `bench/${name}.ts`)),
  outdir: out,
  outExtension: { ".js": ".mjs" },
  bundle: true,
  platform: "node",
  target: "node20",
  format: "esm",
  packages: "external",
  logLevel: "warning",
});
run(process.execPath, [join(out, "main.mjs"), root, ...process.argv.slice(2)]);
