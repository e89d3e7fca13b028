import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import ts from "typescript";

/**
 * The sources as JavaScript in a folder, for child processes: node 20 runs no TypeScript, and the tests should not wait
 * for a build. @returns the folder's `test/…` twin of `script`
 */
export function plainModules(
  folder: string,
  script: string,
  rooms: readonly string[] = ["src/bytes", "src/crypto", "src/services/vault", "test/services/vault/support"],
): string {
  const root = resolve(import.meta.dirname, "../../../..");
  const files = rooms.flatMap((room) =>
    readdirSync(join(root, room), { recursive: true, encoding: "utf8" }).map((name) => join(room, name)),
  );
  for (const file of [...files, "src/errors.ts", "src/services/atomic-file.ts"].filter((name) =>
    name.endsWith(".ts"),
  )) {
    const { outputText } = ts.transpileModule(readFileSync(join(root, file), "utf8"), {
      compilerOptions: {
        target: ts.ScriptTarget.ES2023,
        module: ts.ModuleKind.ESNext,
        rewriteRelativeImportExtensions: true,
        verbatimModuleSyntax: true,
      },
    });
    const target = join(folder, file.replace(/\.ts$/, ".js"));
    mkdirSync(dirname(target), { recursive: true });
    writeFileSync(target, outputText);
  }
  writeFileSync(join(folder, "package.json"), '{"type":"module"}\n');
  symlinkSync(join(root, "node_modules"), join(folder, "node_modules"));
  return join(folder, script.replace(/\.ts$/, ".js"));
}
