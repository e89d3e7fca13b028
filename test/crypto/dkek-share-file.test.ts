import { createHash } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { utf8Bytes } from "../../src/bytes/bytes.ts";
import { fromHex, toHex } from "../../src/bytes/hex.ts";
import {
  checkSharePassword,
  newShare,
  openShareFile,
  parseShareFile,
  sealShareFile,
} from "../../src/crypto/shares/dkek-share-file.ts";
import { deriveShareKey } from "../../src/crypto/shares/share-key.ts";
import { HsmError } from "../../src/errors.ts";
import { flipped, refusal, refusalOf } from "./refusal.ts";
import { vectors } from "./vectors.ts";

interface Case {
  readonly password_hex: string;
  readonly salt: string;
  readonly iterations: number;
  readonly key: string;
  readonly iv: string;
  readonly share: string;
  readonly file: string;
}
const { cases } = vectors("dkek_share_file") as unknown as { cases: Case[] };
const few = cases.find((one) => one.iterations === 1000) as Case;
const fewOptions = { iterations: 1000 };
const password = fromHex(few.password_hex);

describe.each(cases)("vector: $iterations rounds, salt $salt", (vector) => {
  test("derives, opens and seals", async () => {
    const options = { iterations: vector.iterations };
    const secret = fromHex(vector.password_hex);
    const opened = await openShareFile(fromHex(vector.file), secret, options);
    expect(toHex(opened)).toBe(vector.share);
    if (vector.iterations > 1000) return; // The long ones once: a derivation takes seconds.
    const { key, iv } = await deriveShareKey(secret, fromHex(vector.salt), options);
    expect([toHex(key), toHex(iv)]).toEqual([vector.key, vector.iv]);
    const sealed = await sealShareFile(opened, secret, { ...options, random: () => fromHex(vector.salt) });
    expect(toHex(sealed)).toBe(vector.file);
  });
});

test("the chain is MD5 as node:crypto has it, for any password and number of rounds", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.uint8Array({ maxLength: 200 }),
      fc.uint8Array({ minLength: 8, maxLength: 8 }),
      fc.integer({ min: 1, max: 40 }),
      async (secret, salt, iterations) => {
        const { key, iv } = await deriveShareKey(secret, salt, { iterations });
        let digest = Buffer.alloc(0);
        const parts = [1, 2, 3].map(() => {
          digest = createHash("md5").update(digest).update(secret).update(salt).digest();
          for (let i = 1; i < iterations; i++) digest = createHash("md5").update(digest).digest();
          return digest;
        });
        expect(toHex(key) + toHex(iv)).toBe(toHex(Buffer.concat(parts)));
      },
    ),
    { numRuns: 8 },
  );
});

test("what is sealed opens; another password does not", async () => {
  const share = newShare();
  const sealed = await sealShareFile(share, utf8Bytes("correct horse"), fewOptions);
  expect(sealed.length).toBe(64);
  expect(await openShareFile(sealed, utf8Bytes("correct horse"), fewOptions)).toEqual(share);
  const printed = utf8Bytes(`${btoa(String.fromCharCode(...sealed))}\n`);
  expect(await openShareFile(printed, utf8Bytes("correct horse"), fewOptions)).toEqual(share);
  expect(await refusalOf(openShareFile(sealed, utf8Bytes("correct horsf"), fewOptions))).toMatchObject({
    code: "SHARE_PASSWORD_WRONG",
    kind: "authentication",
  });
});

test("a flipped bit: refused, or (where the format cannot tell) another share and so another KCV", async () => {
  const good = fromHex(few.file);
  const outcomes = await Promise.all(
    Array.from({ length: 64 }, async (_, i) => {
      const outcome = openShareFile(flipped(good, i, i % 8), password, fewOptions);
      return outcome.then(
        (share) => (toHex(share) === few.share ? "UNNOTICED" : "other share"),
        (error: unknown) => (error instanceof HsmError ? error.code : String(error)),
      );
    }),
  );
  expect(outcomes.slice(0, 8)).toEqual(Array(8).fill("SHARE_FILE_INVALID"));
  expect(outcomes.slice(8, 16)).toEqual(Array(8).fill("SHARE_PASSWORD_WRONG"));
  expect(outcomes.slice(16, 32)).toEqual(Array(16).fill("other share"));
  expect(outcomes.slice(32)).toEqual(Array(32).fill("SHARE_PASSWORD_WRONG"));
});

test("any length but 64 is no share file", () => {
  const good = fromHex(few.file);
  for (const length of [0, 1, 63])
    expect(refusal(() => parseShareFile(good.subarray(0, length))).kind).toBe("check-failed");
  const long = new Uint8Array(65);
  long.set(good);
  expect(refusal(() => parseShareFile(long)).code).toBe("SHARE_FILE_INVALID");
  expect(refusal(() => parseShareFile(new Uint8Array(1_000_000))).code).toBe("SHARE_FILE_INVALID");
});

describe("the work can be watched and stopped", () => {
  test("progress grows and ends with one 1", async () => {
    const seen: number[] = [];
    await deriveShareKey(password, new Uint8Array(8), { iterations: 600_000, progress: (part) => seen.push(part) });
    expect(seen).toEqual(seen.toSorted((a, b) => a - b));
    expect(seen.length).toBeGreaterThanOrEqual(7);
    expect(seen.at(-1)).toBe(1);
    const steps = seen.map((part, i) => part - (seen[i - 1] ?? 0));
    expect(Math.max(...steps)).toBeLessThan(0.2);
  });

  test("a signal stops it in the middle, also one that was given before", async () => {
    const stop = new AbortController();
    const work = deriveShareKey(password, new Uint8Array(8), { signal: stop.signal, progress: () => stop.abort() });
    expect(await refusalOf(work)).toMatchObject({ code: "DERIVATION_CANCELLED", kind: "cancelled" });
    const again = deriveShareKey(password, new Uint8Array(8), { signal: stop.signal });
    expect((await refusalOf(again)).code).toBe("DERIVATION_CANCELLED");
  });

  test("a reason that is an HsmError is what comes out", async () => {
    const reason = new HsmError("INTERRUPTED", "interrupted", "interrupted");
    const work = deriveShareKey(password, new Uint8Array(8), { signal: AbortSignal.abort(reason) });
    expect(await refusalOf(work)).toBe(reason);
  });
});

test("passwords: under 6 refused, under 12 warned of, then silence", () => {
  expect(refusal(() => checkSharePassword(utf8Bytes("12345")))).toMatchObject({
    code: "SHARE_PASSWORD_SHORT",
    kind: "usage",
  });
  expect(checkSharePassword(utf8Bytes("123456"))).toContain("shorter than 12");
  expect(checkSharePassword(utf8Bytes("correct horse"))).toBeNull();
});

test("a share of zeros is neither made nor sealed", async () => {
  expect(refusal(() => newShare((length) => new Uint8Array(length))).code).toBe("DKEK_SHARE_ZERO");
  expect((await refusalOf(sealShareFile(new Uint8Array(32), password, fewOptions))).code).toBe("DKEK_SHARE_ZERO");
});
