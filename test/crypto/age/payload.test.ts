import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { concat, equal } from "../../../src/bytes/bytes.ts";
import { decryptPayload, encryptPayload, openPayload, sealPayload } from "../../../src/crypto/age/payload.ts";
import { HsmError } from "../../../src/errors.ts";
import { flipped, refusal } from "../refusal.ts";
import { bytes, fileKey } from "./arbitraries.ts";

const chunk = 64 * 1024;
const key = new Uint8Array(16).fill(3);

function plainOf(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (i * 31 + (i >> 8)) & 0xff);
}

async function collected(source: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  for await (const part of source) parts.push(part);
  return concat(...parts);
}

/** What was given out before the end or the refusal, and the refusal's code. */
async function outcome(source: AsyncIterable<Uint8Array>): Promise<{ given: Uint8Array; code: string | null }> {
  const parts: Uint8Array[] = [];
  try {
    for await (const part of source) parts.push(part);
  } catch (error) {
    if (!(error instanceof HsmError)) throw error;
    return { given: concat(...parts), code: error.code };
  }
  return { given: concat(...parts), code: null };
}

function* cut(whole: Uint8Array, sizes: readonly number[]): Generator<Uint8Array> {
  let at = 0;
  for (let i = 0; at < whole.length; i++) {
    const size = sizes[i % sizes.length] ?? 1;
    yield whole.subarray(at, at + size);
    at += size;
  }
}

/** Around every place where a chunk, a tag or a piece may end. */
const lengths = [0, 1, 15, 16, 17, chunk - 1, chunk, chunk + 1, 2 * chunk - 1, 2 * chunk, 2 * chunk + 1, 3 * chunk];

describe("payloads", () => {
  test.each(lengths)("of %d bytes come back, whole and in pieces", async (length) => {
    const plain = plainOf(length);
    const sealed = sealPayload(key, plain);
    expect(sealed.length).toBe(16 + length + 16 * Math.max(1, Math.ceil(length / chunk)));
    expect(equal(openPayload(key, sealed), plain)).toBe(true);
    for (const sizes of [[7919], [chunk], [chunk + 16], [16, chunk + 16, 1], [200_000]]) {
      expect(equal(await collected(decryptPayload(key, cut(sealed, sizes))), plain), `${sizes}`).toBe(true);
      const streamed = await collected(encryptPayload(key, cut(plain, sizes)));
      expect(equal(openPayload(key, streamed), plain), `${sizes}`).toBe(true);
    }
  });

  test("come back in pieces of any sizes, empty ones too", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 0, max: 3 * chunk + 10 }),
        fc
          .array(fc.integer({ min: 0, max: chunk + 20 }), { minLength: 1, maxLength: 5 })
          .map((sizes) => [...sizes, 999]),
        fileKey,
        async (length, sizes, k) => {
          const plain = plainOf(length);
          const sealed = await collected(encryptPayload(k, cut(plain, sizes)));
          expect(equal(await collected(decryptPayload(k, cut(sealed, sizes))), plain)).toBe(true);
        },
      ),
      { numRuns: 40 },
    );
  });

  test("of a few bytes, with any bit changed, are refused", () => {
    const sealed = sealPayload(key, plainOf(40));
    for (let i = 0; i < sealed.length; i++) {
      expect(refusal(() => openPayload(key, flipped(sealed, i, i % 8))).code, `byte ${i}`).toBe("AGE_PAYLOAD_INVALID");
    }
  });

  test("with one byte changed anywhere give out what stands before its chunk, and then the refusal", async () => {
    const plain = plainOf(2 * chunk + 100);
    const sealed = sealPayload(key, plain);
    await fc.assert(
      fc.asyncProperty(fc.nat({ max: sealed.length - 1 }), fc.nat({ max: 7 }), async (at, bit) => {
        const { given, code } = await outcome(decryptPayload(key, cut(flipped(sealed, at, bit), [50_000])));
        expect(code).toBe("AGE_PAYLOAD_INVALID");
        const whole = at < 16 ? 0 : Math.floor((at - 16) / (chunk + 16));
        expect(equal(given, plain.subarray(0, whole * chunk))).toBe(true);
      }),
      { numRuns: 60 },
    );
  });

  test("cut off at and around every boundary are refused", async () => {
    const plain = plainOf(2 * chunk + 100);
    const sealed = sealPayload(key, plain);
    const ends = [0, 16, 16 + 16, 16 + chunk, 16 + chunk + 16, 16 + 2 * (chunk + 16), 32 + 2 * (chunk + 16)];
    for (const end of ends.flatMap((n) => [n - 1, n, n + 1]).filter((n) => n >= 0)) {
      const { given, code } = await outcome(decryptPayload(key, [sealed.subarray(0, end)]));
      expect(code, `${end} bytes`).toBe(end < 16 ? "AGE_FILE_INVALID" : "AGE_PAYLOAD_INVALID");
      expect(equal(given, plain.subarray(0, given.length))).toBe(true);
      expect(given.length % chunk).toBe(0);
      expect(refusal(() => openPayload(key, sealed.subarray(0, end))).code).toBe(code);
    }
  });

  test("with chunks exchanged, left out or repeated are refused", () => {
    const sealed = sealPayload(key, plainOf(3 * chunk));
    const [nonce, a, b, c] = [0, 1, 2, 3].map((i) =>
      i === 0 ? sealed.subarray(0, 16) : sealed.subarray(16 + (i - 1) * (chunk + 16), 16 + i * (chunk + 16)),
    ) as [Uint8Array, Uint8Array, Uint8Array, Uint8Array];
    for (const parts of [[b, a, c], [a, c], [a, b], [b, c], [a, a, b, c], [a, b, c, c], [c], []]) {
      expect(refusal(() => openPayload(key, concat(nonce, ...parts))).code).toBe("AGE_PAYLOAD_INVALID");
    }
  });

  test("are another each time, and the file key may be wiped once the call has returned", async () => {
    const mine = key.slice();
    const first = encryptPayload(mine, [plainOf(5)]);
    mine.fill(0);
    const sealed = await collected(first);
    expect(equal(sealed, sealPayload(key, plainOf(5)))).toBe(false);
    const again = key.slice();
    const opening = decryptPayload(again, [sealed]);
    again.fill(0);
    expect(equal(await collected(opening), plainOf(5))).toBe(true);
  });

  test("may come from a source that reads into the same memory again", async () => {
    const plain = plainOf(3 * chunk + 5);
    function* reusing(whole: Uint8Array): Generator<Uint8Array> {
      const memory = new Uint8Array(70_000);
      for (const piece of cut(whole, [70_000, 5, 65_536])) {
        memory.set(piece);
        yield memory.subarray(0, piece.length);
        memory.fill(0xee);
      }
    }
    const sealed = await collected(encryptPayload(key, reusing(plain)));
    expect(equal(await collected(decryptPayload(key, reusing(sealed))), plain)).toBe(true);
  });

  test("under another file key are refused", () => {
    fc.assert(
      fc.property(fileKey, fileKey, bytes(100), (a, b, plain) => {
        fc.pre(!equal(a, b));
        expect(refusal(() => openPayload(b, sealPayload(a, plain))).code).toBe("AGE_PAYLOAD_INVALID");
      }),
    );
  });

  test("close their source when the reader goes away, and when they are refused", async () => {
    let closed = 0;
    async function* source(whole: Uint8Array): AsyncGenerator<Uint8Array> {
      try {
        for (const piece of cut(whole, [1000])) yield piece;
      } finally {
        closed++;
      }
    }
    for await (const _ of encryptPayload(key, source(plainOf(3 * chunk)))) break;
    for await (const _ of encryptPayload(key, source(plainOf(3 * chunk)))) if (_.length > 16) break;
    expect(closed).toBe(1); // The first reader went before the source was asked.
    await outcome(decryptPayload(key, source(new Uint8Array(2 * chunk))));
    expect(closed).toBe(2);
  });
});
