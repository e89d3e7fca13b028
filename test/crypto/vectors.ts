import { readFileSync } from "node:fs";
import { fromHex } from "../../src/bytes/hex.ts";

/** A vector file of test/vectors; its README names the origins. */
export function vectors(name: string): Record<string, unknown> {
  return JSON.parse(readFileSync(new URL(`../vectors/${name}.json`, import.meta.url), "utf8")) as Record<
    string,
    unknown
  >;
}

/** The hex field at this path. */
export function hexAt(source: Record<string, unknown>, ...path: readonly string[]): Uint8Array {
  return fromHex(textAt(source, ...path));
}

export function textAt(source: Record<string, unknown>, ...path: readonly string[]): string {
  let value: unknown = source;
  for (const key of path) value = (value as Record<string, unknown>)[key];
  if (typeof value !== "string") throw new Error(`no text at ${path.join(".")}`);
  return value;
}
