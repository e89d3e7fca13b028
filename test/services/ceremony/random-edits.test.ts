import { readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { equal } from "../../../src/bytes/bytes.ts";
import { HsmError } from "../../../src/errors.ts";
import { canonicalJson, type Json } from "../../../src/services/ceremony/canonical-json.ts";
import { entryHash, noPrevious, readRecord } from "../../../src/services/ceremony/ceremony-chain.ts";
import type { CeremonyEntry } from "../../../src/services/ceremony/ceremony-entry.ts";
import { checkClosing, requireClosing } from "../../../src/services/ceremony/ceremony-signature.ts";
import { closedRecord, folder } from "./support.ts";

const path = join(folder(), "ceremony.log");
let original: Uint8Array;
beforeAll(async () => {
  await closedRecord(path);
  original = new Uint8Array(readFileSync(path));
});

/** Code of the refusal, or `null` when it holds as a closed record. */
function verdict(bytes: Uint8Array): string | null {
  try {
    checkClosing(requireClosing(readRecord(bytes)));
    return null;
  } catch (error) {
    if (error instanceof HsmError && error.kind === "check-failed") return error.code;
    throw error;
  }
}

/** Numbers from 0 below `most`, the same in every run (mulberry32). */
function dice(seed: number): (most: number) => number {
  let state = seed;
  return (most) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % most;
  };
}

type Roll = (most: number) => number;
type Edit = (bytes: Uint8Array, roll: Roll) => Uint8Array;

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
const utf8 = (value: string) => new TextEncoder().encode(value);
const lines = (bytes: Uint8Array) => text(bytes).slice(0, -1).split("\n");
const joined = (parts: readonly string[]) => utf8(parts.map((line) => `${line}\n`).join(""));

/** What somebody who knows the format does: other content, every hash from there on made anew. */
function rehashed(bytes: Uint8Array, change: (entries: Record<string, Json>[]) => Record<string, Json>[]): Uint8Array {
  let previous = noPrevious;
  const entries = change(lines(bytes).map((line) => JSON.parse(line) as Record<string, Json>));
  return joined(
    entries.map((entry, sequence) => {
      const { hash: _hash, ...linked }: Record<string, Json> = { ...entry, sequence, previous };
      previous = entryHash(linked as unknown as CeremonyEntry);
      return canonicalJson({ ...linked, hash: previous });
    }),
  );
}

const edits: Readonly<Record<string, Edit>> = {
  "a bit turned round": (bytes, roll) => {
    const copy = bytes.slice();
    const at = roll(copy.length);
    copy[at] = (copy[at] ?? 0) ^ (1 << roll(8));
    return copy;
  },
  "a byte taken out": (bytes, roll) => {
    const at = roll(bytes.length);
    return new Uint8Array([...bytes.subarray(0, at), ...bytes.subarray(at + 1)]);
  },
  "a byte put in": (bytes, roll) => {
    const at = roll(bytes.length + 1);
    return new Uint8Array([...bytes.subarray(0, at), roll(256), ...bytes.subarray(at)]);
  },
  "cut off": (bytes, roll) => bytes.subarray(0, roll(bytes.length)),
  "a line removed": (bytes, roll) => {
    const all = lines(bytes);
    return joined(all.toSpliced(roll(all.length), 1));
  },
  "a line said twice": (bytes, roll) => {
    const all = lines(bytes);
    return joined(all.toSpliced(roll(all.length + 1), 0, all[roll(all.length)] ?? ""));
  },
  "two lines exchanged": (bytes, roll) => {
    const all = lines(bytes);
    const [a, b] = [roll(all.length), roll(all.length)];
    return joined(all.with(a, all[b] ?? "").with(b, all[a] ?? ""));
  },
  "a field changed and its hash made anew": (bytes, roll) => {
    const all = lines(bytes);
    const at = 1 + roll(all.length - 2);
    const { hash: _hash, ...entry } = JSON.parse(all[at] ?? "") as Record<string, Json>;
    const changed = { ...entry, officer: `Mallory ${roll(1000)}` };
    const hash = entryHash(changed as unknown as CeremonyEntry);
    return joined(all.with(at, canonicalJson({ ...changed, hash })));
  },
  "written anew from one line on, all hashes right": (bytes, roll) =>
    rehashed(bytes, (entries) => {
      const at = 1 + roll(entries.length - 2);
      return entries.with(at, { ...entries[at], officer: `Mallory ${roll(1000)}` });
    }),
  "written anew without a line, all hashes right": (bytes, roll) =>
    rehashed(bytes, (entries) => entries.toSpliced(1 + roll(entries.length - 2), 1)),
};

describe("a closed record", () => {
  test("holds as it is", () => {
    expect(verdict(original)).toBeNull();
  });

  test("betrays each of 1,000 random edits", () => {
    const roll = dice(20_261_120);
    const kinds = Object.entries(edits);
    let tried = 0;
    const missed: string[] = [];
    for (let i = 0; tried < 1000; i++) {
      const [name, edit] = kinds[i % kinds.length] ?? ["", (bytes: Uint8Array) => bytes];
      const edited = edit(original, roll);
      // An exchange of a line with itself is none.
      if (equal(edited, original)) continue;
      tried++;
      if (verdict(edited) === null) missed.push(`${i}: ${name}`);
    }
    expect(missed).toEqual([]);
    expect(tried).toBe(1000);
  });
});

describe("each edit has its own error", () => {
  const at = (change: (all: string[]) => string[]) => verdict(joined(change(lines(original))));

  test("a line removed", () => {
    expect(at((all) => all.toSpliced(2, 1))).toBe("CEREMONY_LINE_REMOVED");
    expect(at((all) => all.slice(1))).toBe("CEREMONY_LINE_REMOVED");
  });

  test("a line changed", () => {
    expect(at((all) => all.with(2, (all[2] ?? "").replace("Ada", "Eve")))).toBe("CEREMONY_LINE_CHANGED");
    expect(at((all) => all.with(2, (all[2] ?? "").replace("{", "{ ")))).toBe("CEREMONY_LINE_CHANGED");
  });

  test("a line added", () => {
    expect(at((all) => all.toSpliced(3, 0, all[2] ?? ""))).toBe("CEREMONY_LINE_ADDED");
    expect(at((all) => [...all, all[2] ?? ""])).toBe("CEREMONY_LINE_ADDED");
  });

  test("lines in another order", () => {
    expect(at((all) => all.with(2, all[3] ?? "").with(3, all[2] ?? ""))).toBe("CEREMONY_REORDERED");
  });

  test("the end cut off: between lines, inside one, everything", () => {
    expect(at((all) => all.slice(0, -1))).toBe("CEREMONY_NOT_CLOSED");
    expect(verdict(original.subarray(0, original.length - 1))).toBe("CEREMONY_TRUNCATED");
    expect(verdict(new Uint8Array(0))).toBe("CEREMONY_TRUNCATED");
  });

  test("a line of another record, or made anew with a right hash of its own", () => {
    const [, , edited] = lines(edits["a field changed and its hash made anew"]?.(original, () => 1) ?? original);
    expect(at((all) => all.with(2, edited ?? ""))).toBe("CEREMONY_EXCHANGED");
  });

  test("everything written anew: the signature alone tells", () => {
    const anew = edits["written anew without a line, all hashes right"]?.(original, () => 2) ?? original;
    expect(readRecord(anew).entries).toHaveLength(6);
    expect(verdict(anew)).toBe("CEREMONY_SIGNATURE_WRONG");
  });

  test("what is no record", () => {
    for (const nonsense of ["\n", "{}\n", "[]\n", "hello\n", '{"kind":"opening"}\n', "\u{feff}{}\n"]) {
      expect(verdict(utf8(nonsense)), nonsense).toBe("CEREMONY_INVALID");
    }
    expect(verdict(Uint8Array.of(0xff, 0x0a))).toBe("CEREMONY_INVALID");
  });
});
