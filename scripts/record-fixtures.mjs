// Records apdu-fixtures/ anew from the simulator. A test compares the files byte for byte, so run this when the driver or
// the simulator is meant to have changed, and read the difference.
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { build } from "esbuild";

const root = resolve(import.meta.dirname, "..");
const fixtures = join(root, "apdu-fixtures");
const scratch = mkdtempSync(join(root, "node_modules", ".record-"));
try {
  const outfile = join(scratch, "record.mjs");
  const entryPoints = [join(root, "test", "apdu-fixtures", "record.ts")];
  await build({
    entryPoints,
    outfile,
    bundle: true,
    platform: "node",
    format: "esm",
    packages: "external",
    logLevel: "error",
  });
  const { cards, recordAll } = await import(pathToFileURL(outfile).href);
  for (const { folder } of Object.values(cards)) mkdirSync(join(fixtures, folder), { recursive: true });
  await recordAll(fixtures, (line) => process.stdout.write(`${line}\n`));
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
