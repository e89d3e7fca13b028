import fs from "node:fs/promises";
import { syncBuiltinESMExports } from "node:module";

/** A call to the file system: its name, and where it has one its path. */
export interface FileStep {
  readonly name: string;
  readonly path: string;
  /** Does the first half of a write, for a death in the midst of it. */
  readonly half: () => Promise<void>;
}

type Calls = Record<string, (...args: readonly unknown[]) => Promise<unknown>>;

const names = [
  "open",
  "readFile",
  "link",
  "rename",
  "rm",
  "lstat",
  "readlink",
  "readdir",
  "copyFile",
  "mkdir",
] as const;
const handleNames = ["writeFile", "sync", "readFile", "stat", "close"] as const;

/**
 * Has `before` called ahead of every step that code in this process takes through `node:fs/promises`; what it throws is
 * what the step throws. @returns what ends it
 */
export function watchFileSteps(before: (step: FileStep) => void | Promise<void>): () => void {
  const calls = fs as unknown as Calls;
  const real = new Map(names.map((name) => [name, calls[name]] as const));
  const step = (name: string, path: unknown, half: () => Promise<void> = async () => undefined) =>
    before({ name, path: String(path), half });
  for (const [name, call] of real) {
    calls[name] = async (...args) => {
      await step(name, args[0]);
      const result = await call?.(...args);
      return name === "open" ? watchedHandle(result as Calls, args[0], step) : result;
    };
  }
  syncBuiltinESMExports();
  return () => {
    for (const [name, call] of real) if (call !== undefined) calls[name] = call;
    syncBuiltinESMExports();
  };
}

function watchedHandle(
  handle: Calls,
  path: unknown,
  step: (name: string, path: unknown, half?: () => Promise<void>) => void | Promise<void>,
): Calls {
  const own: Calls = {};
  for (const name of handleNames) {
    own[name] = async (...args) => {
      const half = async () => {
        const [content] = args;
        if (name === "writeFile" && content instanceof Uint8Array)
          await handle[name]?.(content.slice(0, content.length / 2));
      };
      try {
        await step(`handle.${name}`, path, half);
      } catch (error) {
        // Whatever goes wrong, no descriptor stays open in the tests.
        if (name === "close") await handle["close"]?.();
        throw error;
      }
      return handle[name]?.(...args);
    };
  }
  return own;
}
