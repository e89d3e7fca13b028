import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";
import { toHex } from "../../src/bytes/hex.ts";
import { fileShareMemory } from "../../src/services/shares/share-memory.ts";

const folder = mkdtempSync(join(tmpdir(), "hsmadm-shares-"));
afterAll(() => rmSync(folder, { recursive: true }));

let count = 0;
function path(): string {
  return join(folder, `memory-${count++}.json`);
}
const share = (fill: number) => new Uint8Array(32).fill(fill);

describe("the memory of imported shares", () => {
  test("knows what went in, on this token and in this domain, also in another process", async () => {
    const file = path();
    await fileShareMemory(file).note("AA", 0, 0, share(1));
    const memory = fileShareMemory(file);
    expect(await memory.knows("AA", 0, 1, share(1))).toBe(true);
    expect(await memory.knows("AA", 0, 1, share(2))).toBe(false);
    expect(await memory.knows("AA", 1, 1, share(1))).toBe(false);
    expect(await memory.knows("BB", 0, 1, share(1))).toBe(false);
  });

  test("what was noted at the token's count or above it did not arrive, or is of an earlier initialisation", async () => {
    const memory = fileShareMemory(path());
    await memory.note("AA", 0, 0, share(1));
    expect(await memory.knows("AA", 0, 0, share(1))).toBe(false);
    await memory.note("AA", 0, 1, share(2));
    // The answer to the second was lost: whether it is in, the token's count says.
    expect(await memory.knows("AA", 0, 1, share(1))).toBe(true);
    expect(await memory.knows("AA", 0, 1, share(2))).toBe(false);
    expect(await memory.knows("AA", 0, 2, share(2))).toBe(true);
    // Initialised again.
    await memory.note("AA", 0, 0, share(3));
    expect(await memory.knows("AA", 0, 1, share(1))).toBe(false);
    expect(await memory.knows("AA", 0, 2, share(2))).toBe(false);
    expect(await memory.knows("AA", 0, 1, share(3))).toBe(true);
  });

  test("forgets one domain and no other", async () => {
    const memory = fileShareMemory(path());
    await memory.note("AA", 0, 0, share(1));
    await memory.note("AA", 1, 0, share(1));
    await memory.forget("AA", 0);
    expect(await memory.knows("AA", 0, 1, share(1))).toBe(false);
    expect(await memory.knows("AA", 1, 1, share(1))).toBe(true);
  });

  test("makes no file for a question, and one of mode 0600 that has no share in it for a note", async () => {
    const file = path();
    const memory = fileShareMemory(file);
    expect(await memory.knows("AA", 0, 1, share(1))).toBe(false);
    await memory.forget("AA", 0);
    expect(() => statSync(file)).toThrow();
    await memory.note("AA", 0, 0, share(0x5a));
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(readFileSync(file, "utf8").toUpperCase()).not.toContain(toHex(share(0x5a)));
  });

  test("a token without a key to be known by is not remembered", async () => {
    const memory = fileShareMemory(path());
    await memory.note("", 0, 0, share(1));
    expect(await memory.knows("", 0, 1, share(1))).toBe(false);
  });

  test("property: of any shares, exactly those are known that went in", async () => {
    const shares = fc.uniqueArray(fc.uint8Array({ minLength: 32, maxLength: 32 }), {
      minLength: 2,
      maxLength: 6,
      selector: (bytes) => toHex(bytes),
    });
    await fc.assert(
      fc.asyncProperty(shares, fc.nat({ max: 5 }), async (all, cut) => {
        const memory = fileShareMemory(path());
        const inside = all.slice(0, cut);
        for (const [i, one] of inside.entries()) await memory.note("AA", 0, i, one);
        for (const [i, one] of all.entries()) expect(await memory.knows("AA", 0, inside.length, one)).toBe(i < cut);
      }),
      { numRuns: 15 },
    );
  });

  test.each([
    "",
    "{",
    "null",
    "[]",
    '{"schemaVersion":2,"entries":[]}',
    '{"schemaVersion":1,"entries":[{"token":"AA","domain":"0","salt":"00","shares":[]}]}',
    '{"schemaVersion":1,"entries":[{"token":"AA","domain":0,"salt":"00","shares":["xyz"]}]}',
    '{"schemaVersion":1,"entries":[{"token":"AA","domain":0,"salt":"00","shares":[{"after":-1,"digest":"00"}]}]}',
  ])("refuses the file %j, and leaves it as it is", async (content) => {
    const file = path();
    writeFileSync(file, content);
    const memory = fileShareMemory(file);
    const refusal = { code: "SHARE_MEMORY_UNREADABLE", kind: "refused" };
    await expect(memory.knows("AA", 0, 0, share(1))).rejects.toMatchObject(refusal);
    await expect(memory.note("AA", 0, 0, share(1))).rejects.toMatchObject(refusal);
    await expect(memory.forget("AA", 0)).rejects.toMatchObject(refusal);
    expect(readFileSync(file, "utf8")).toBe(content);
  });

  test("a file that cannot be written is told", async () => {
    const file = path();
    writeFileSync(file, "");
    const inside = fileShareMemory(join(file, "x.json"));
    await expect(inside.note("AA", 0, 0, share(1))).rejects.toMatchObject({ code: "SHARE_MEMORY_UNREADABLE" });
  });
});
