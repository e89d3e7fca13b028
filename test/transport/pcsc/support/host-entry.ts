import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const root = fileURLToPath(new URL("../../../..", import.meta.url));

/** Builds a source file of this project to one file that Node 20 can start; inside node_modules, so that bindings are found. */
export async function built(source: string): Promise<string> {
  const folder = join(root, "node_modules", ".cache", "hsmadm-test");
  mkdirSync(folder, { recursive: true });
  const outfile = join(folder, `${source.replace(/\W+/g, "-")}-${process.pid}.mjs`);
  await build({
    entryPoints: [join(root, source)],
    outfile,
    bundle: true,
    platform: "node",
    format: "esm",
    target: "node20",
    logLevel: "error",
  });
  return outfile;
}

export function builtHost(): Promise<string> {
  return built("src/transport/pcsc/host/reader-host.ts");
}
