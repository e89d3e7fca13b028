import { setImmediate as turn } from "node:timers/promises";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { concat } from "../../../src/bytes/bytes.ts";
import { syncBehind } from "../../../src/cli/streams/sync-behind.ts";
import { writeBehind } from "../../../src/cli/streams/write-behind.ts";

const mebibyte = 1024 * 1024;

/** A place that takes a batch when it is told to. */
class SlowPlace {
  readonly taken: (readonly Uint8Array[])[] = [];
  running = 0;
  #go: (() => void)[] = [];

  readonly write = async (batch: readonly Uint8Array[]): Promise<void> => {
    expect(++this.running).toBe(1);
    await new Promise<void>((resolve) => this.#go.push(resolve));
    this.running--;
    this.taken.push(batch);
  };

  async takesOne(): Promise<void> {
    this.#go.shift()?.();
    await turn();
  }

  async takesAll(): Promise<void> {
    while (this.#go.length > 0) await this.takesOne();
  }
}

describe("writing behind", () => {
  test("keeps the order, one write at a time, whatever the pieces", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 0, max: 300_000 }), { maxLength: 20 }),
        fc.integer({ min: 0, max: 3 }),
        async (lengths, turns) => {
          const given: Uint8Array[] = [];
          let running = 0;
          const writer = writeBehind(async (batch) => {
            expect(++running).toBe(1);
            for (let i = 0; i < turns; i++) await turn();
            given.push(...batch);
            running--;
          });
          const pieces = lengths.map((length, i) => new Uint8Array(length).fill(i + 1));
          for (const piece of pieces) await writer.push(piece);
          await writer.end();
          expect(Buffer.compare(concat(...given), concat(...pieces))).toBe(0);
        },
      ),
      { numRuns: 50 },
    );
  });

  test("a slow piece goes out at once; those that come meanwhile go together", async () => {
    const place = new SlowPlace();
    const writer = writeBehind(place.write);
    for (let i = 0; i < 4; i++) expect(writer.push(Uint8Array.of(i))).toBeUndefined();
    await place.takesAll();
    expect(place.taken).toEqual([[Uint8Array.of(0)], [1, 2, 3].map((i) => Uint8Array.of(i))]);
    await writer.end();
  });

  test("whoever is faster than the place has to wait", async () => {
    const place = new SlowPlace();
    const writer = writeBehind(place.write);
    expect(writer.push(new Uint8Array(mebibyte / 2))).toBeUndefined();
    expect(writer.push(new Uint8Array(mebibyte / 2))).toBeUndefined();
    let through = false;
    const waiting = writer.push(new Uint8Array(mebibyte / 2))?.then(() => {
      through = true;
    });
    await turn();
    expect(through).toBe(false);
    await place.takesOne();
    await waiting;
    expect(through).toBe(true);
    const ended = writer.end();
    await place.takesAll();
    await ended;
  });

  test("what a write threw is told at the next piece, or at the end, and nothing follows", async () => {
    let writes = 0;
    const full = async () => {
      writes++;
      throw new Error("full");
    };
    const writer = writeBehind(full);
    void writer.push(new Uint8Array(1));
    void writer.push(new Uint8Array(1));
    await expect(writer.end()).rejects.toThrow("full");
    expect(() => writer.push(new Uint8Array(1))).toThrow("full");
    const other = writeBehind(full);
    void other.push(new Uint8Array(1));
    await expect(other.push(new Uint8Array(2 * mebibyte))).rejects.toThrow("full");
    expect(writes).toBe(2);
  });

  test("abandoned, it ends what runs and drops the rest", async () => {
    const place = new SlowPlace();
    const writer = writeBehind(place.write);
    void writer.push(Uint8Array.of(1));
    void writer.push(Uint8Array.of(2));
    const over = writer.abandon();
    await place.takesAll();
    await over;
    expect(place.taken).toEqual([[Uint8Array.of(1)]]);
  });
});

describe("syncing behind", () => {
  test("one sync at a time, none for little", async () => {
    const go: (() => void)[] = [];
    const sync = syncBehind({ datasync: () => new Promise<void>((resolve) => go.push(resolve)) });
    sync.wrote(100 * mebibyte);
    expect(go).toHaveLength(0);
    for (let i = 0; i < 5; i++) sync.wrote(100 * mebibyte);
    expect(go).toHaveLength(1);
    const ended = sync.end();
    go[0]?.();
    await ended;
    sync.wrote(mebibyte);
    expect(go).toHaveLength(2);
  });

  test("what it found is not lost: the system tells it once", async () => {
    const sync = syncBehind({ datasync: () => Promise.reject(new Error("EIO")) });
    sync.wrote(200 * mebibyte);
    await turn();
    await expect(sync.end()).rejects.toThrow("EIO");
  });
});
