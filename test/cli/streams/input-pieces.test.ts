import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { open } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { concat } from "../../../src/bytes/bytes.ts";
import { inputPieces } from "../../../src/cli/streams/input-pieces.ts";

const folder = mkdtempSync(join(tmpdir(), "hsmadm-streams-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const mebibyte = 1024 * 1024;
const quiet = new AbortController().signal;
const content = (length: number) => Uint8Array.from({ length }, (_, i) => (i * 31 + (i >> 8)) & 0xff);

function namedPipe(name: string): string {
  const path = join(folder, name);
  expect(spawnSync("mkfifo", ["-m", "600", path]).status).toBe(0);
  return path;
}

async function collected(source: AsyncIterable<Uint8Array>): Promise<{ all: Uint8Array; longest: number }> {
  const parts: Uint8Array[] = [];
  for await (const piece of source) parts.push(piece.slice());
  return { all: concat(...parts), longest: Math.max(0, ...parts.map(({ length }) => length)) };
}

describe("a file", () => {
  test.each([0, 1, mebibyte - 1, mebibyte, mebibyte + 1, 3 * mebibyte + 5])("of %d bytes", async (length) => {
    const path = join(folder, `file-${length}`);
    writeFileSync(path, content(length));
    const { all, longest } = await collected(inputPieces(path, quiet));
    expect(Buffer.compare(all, content(length))).toBe(0);
    expect(longest).toBeLessThanOrEqual(mebibyte);
  });

  test("that is none, or a folder: the system's own words", async () => {
    await expect(collected(inputPieces(join(folder, "none"), quiet))).rejects.toMatchObject({ code: "ENOENT" });
    await expect(collected(inputPieces(folder, quiet))).rejects.toMatchObject({ code: "EISDIR" });
  });

  test("interrupted in the middle", async () => {
    const path = join(folder, "long");
    writeFileSync(path, content(3 * mebibyte));
    const stop = new AbortController();
    const pieces = inputPieces(path, stop.signal);
    await pieces.next();
    stop.abort();
    await expect(pieces.next()).rejects.toMatchObject({ kind: "interrupted" });
  });
});

describe("a pipe", () => {
  test("in pieces of any sizes, and with a reader that is slower than the writer", async () => {
    const path = namedPipe("any");
    const whole = content(5 * mebibyte + 3);
    const read = collected(inputPieces(path, quiet));
    const writer = await open(path, "w");
    const sizes = [1, 7, 65_536, 65_537, 300_000, mebibyte + 1];
    for (let at = 0, i = 0; at < whole.length; i++) {
      const { bytesWritten } = await writer.write(whole.subarray(at, at + (sizes[i % sizes.length] ?? 1)));
      at += bytesWritten;
    }
    await writer.close();
    const { all, longest } = await read;
    expect(Buffer.compare(all, whole)).toBe(0);
    expect(longest).toBeLessThanOrEqual(mebibyte);
  });

  test("a piece stays as it is while more comes", async () => {
    const path = namedPipe("steady");
    const whole = content(2 * mebibyte);
    const pieces = inputPieces(path, quiet);
    const first = pieces.next();
    const writer = await open(path, "w");
    const written = writer.writeFile(whole.subarray(0, mebibyte));
    const { value } = await first;
    const before = (value as Uint8Array).slice();
    // All of it went into the pipe, or to where it collects: the piece in hand is not among these places.
    await written;
    expect(Buffer.compare(value as Uint8Array, before)).toBe(0);
    expect(Buffer.compare(before, whole.subarray(0, before.length))).toBe(0);
    await pieces.return(undefined);
    await writer.close();
  });

  test("that nobody writes into ends at once when it is interrupted", async () => {
    for (const written of [false, true]) {
      const path = namedPipe(`silent-${written}`);
      const stop = new AbortController();
      const pieces = inputPieces(path, stop.signal);
      const first = pieces.next();
      const writer = written ? await open(path, "w") : null;
      if (writer !== null) {
        await writer.write(Uint8Array.of(1, 2));
        expect(await first).toEqual({ done: false, value: Uint8Array.of(1, 2) });
      }
      const next = written ? pieces.next() : first;
      stop.abort();
      await expect(next).rejects.toMatchObject({ kind: "interrupted" });
      await writer?.close();
    }
  });

  test("is not begun with when it was interrupted before", async () => {
    await expect(inputPieces(namedPipe("late"), AbortSignal.abort()).next()).rejects.toMatchObject({
      kind: "interrupted",
    });
  });
});
