import fc from "fast-check";
import { expect, test } from "vitest";
import { align } from "../../../src/transport/trace/align.ts";

const letters = fc.array(fc.constantFrom("a", "b", "c"), { maxLength: 12 });

/** The longest common subsequence by trying everything. */
function longest(left: readonly string[], right: readonly string[]): number {
  if (left.length === 0 || right.length === 0) return 0;
  const [a, ...rest] = left;
  const at = right.indexOf(a ?? "");
  const with_ = at === -1 ? 0 : 1 + longest(rest, right.slice(at + 1));
  return Math.max(with_, longest(rest, right));
}

test("each index stands once, in order; pairs are equal; no pairing is longer", () => {
  fc.assert(
    fc.property(letters, letters, (left, right) => {
      const pairs = align(left, right) ?? [];
      expect(pairs.flatMap((pair) => pair.left ?? [])).toEqual([...left.keys()]);
      expect(pairs.flatMap((pair) => pair.right ?? [])).toEqual([...right.keys()]);
      const both = pairs.filter((pair) => pair.left !== null && pair.right !== null);
      for (const pair of both) expect(left[pair.left ?? -1]).toBe(right[pair.right ?? -1]);
      expect(both).toHaveLength(longest(left, right));
    }),
  );
});

test("long sequences that are alike cost nothing, long ones that are not are told", () => {
  const long = Array.from({ length: 200_000 }, (_, i) => String(i));
  expect(align(long, [...long.slice(0, 100), "new", ...long.slice(100)])).toHaveLength(200_001);
  expect(align(long, [...long].reverse())).toBeNull();
});
