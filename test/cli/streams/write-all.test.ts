import fc from "fast-check";
import { expect, test, vi } from "vitest";
import { concat } from "../../../src/bytes/bytes.ts";
import { writeAll } from "../../../src/cli/streams/write-all.ts";

const system = vi.hoisted(() => ({ atMost: 1, taken: [] as number[] }));

/** A system that takes few bytes at a time, as a file system does that is almost full. */
vi.mock("node:fs", () => ({
  writev(_fd: number, pieces: readonly Uint8Array[], done: (error: null, length: number) => void) {
    const all = pieces.flatMap((piece) => [...piece]).slice(0, system.atMost);
    system.taken.push(...all);
    setImmediate(() => done(null, all.length));
  },
}));

test("every byte is written once, however few are taken at a time", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.uint8Array({ maxLength: 20 }), { maxLength: 8 }),
      fc.integer({ min: 1, max: 30 }),
      async (pieces, atMost) => {
        Object.assign(system, { atMost, taken: [] });
        await writeAll(1, pieces);
        expect(Uint8Array.from(system.taken)).toEqual(concat(...pieces));
      },
    ),
  );
});
