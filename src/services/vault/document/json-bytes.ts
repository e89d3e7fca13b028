import { utf8Text } from "../../../bytes/bytes.ts";

/** A JSON value whose strings are still the bytes between their quotes, so that a secret never becomes a text. */
export type JsonNode =
  | { readonly type: "object"; readonly fields: ReadonlyMap<string, JsonNode> }
  | { readonly type: "list"; readonly items: readonly JsonNode[] }
  | { readonly type: "string"; readonly raw: Uint8Array }
  | { readonly type: "number"; readonly value: number }
  | { readonly type: "null" };

/** Objects within objects: a vault has three. */
const maxDepth = 6;

/**
 * Reads what a vault's payload is made of: objects, lists, strings, whole numbers and null, then spaces up to the end.
 * Whether it is the one canonical form is judged by writing it again.
 * @throws Error that says where, and nothing of what stands there
 */
export function readJsonBytes(bytes: Uint8Array): JsonNode {
  let at = 0;

  function fail(problem: string): never {
    throw new Error(`${problem} at byte ${at}`);
  }

  function take(character: string): void {
    if (bytes[at] !== character.charCodeAt(0)) fail(`no ${character}`);
    at++;
  }

  function next(character: string): boolean {
    if (bytes[at] !== character.charCodeAt(0)) return false;
    at++;
    return true;
  }

  function string(): Uint8Array {
    take('"');
    const start = at;
    for (; bytes[at] !== quote; at++) {
      if (at >= bytes.length) fail("a string without end");
      if (bytes[at] === backslash) at++;
    }
    return bytes.subarray(start, at++);
  }

  function object(depth: number): JsonNode {
    const fields = new Map<string, JsonNode>();
    if (!next("}")) {
      do {
        const name = textOf(string());
        if (name === null || fields.has(name)) fail("a field's name that is no text, or comes twice");
        take(":");
        fields.set(name, node(depth + 1));
      } while (next(","));
      take("}");
    }
    return { type: "object", fields };
  }

  function list(depth: number): JsonNode {
    const items: JsonNode[] = [];
    if (!next("]")) {
      do items.push(node(depth + 1));
      while (next(","));
      take("]");
    }
    return { type: "list", items };
  }

  function number(): JsonNode {
    const start = at;
    while (isDigit(bytes[at])) at++;
    const value = Number(String.fromCharCode(...bytes.subarray(start, Math.min(at, start + 17))));
    if (at === start || !Number.isSafeInteger(value) || at - start > 16) fail("no whole number");
    return { type: "number", value };
  }

  function node(depth: number): JsonNode {
    if (depth > maxDepth) fail("nested too deep");
    if (next("{")) return object(depth);
    if (next("[")) return list(depth);
    if (bytes[at] === quote) return { type: "string", raw: string() };
    if (bytes[at] !== 0x6e) return number();
    for (const character of "null") take(character);
    return { type: "null" };
  }

  const root = node(0);
  while (bytes[at] === space) at++;
  if (at !== bytes.length) fail("something behind the end");
  return root;
}

/** The text of a string's raw bytes, or `null`. Never of a secret. */
export function textOf(raw: Uint8Array): string | null {
  const text = utf8Text(raw);
  if (text === null) return null;
  try {
    const value: unknown = JSON.parse(`"${text}"`);
    return typeof value === "string" ? value : null;
  } catch {
    return null;
  }
}

const quote = 0x22;
const backslash = 0x5c;
export const space = 0x20;

function isDigit(byte: number | undefined): boolean {
  return byte !== undefined && byte >= 0x30 && byte <= 0x39;
}
