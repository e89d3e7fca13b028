import { checkPrimeSync } from "node:crypto";
import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { fromHex, toHex } from "../../src/bytes/hex.ts";
import { fromInteger, toInteger } from "../../src/crypto/curves/integers.ts";
import {
  checkPart,
  checkSplit,
  joinPassword,
  newSplitSecret,
  partCheck,
  passwordCandidates,
  type SplitPart,
  splitPassword,
} from "../../src/crypto/shares/password-split.ts";
import { checkReadBack, readSplitCards, splitCard, typedValue } from "../../src/crypto/shares/split-card.ts";
import { openSplitShareFile, sealSplitShareFile } from "../../src/crypto/shares/split-share.ts";
import { flipped, refusal, refusalOf } from "./refusal.ts";
import { vectors } from "./vectors.ts";

interface Case {
  readonly name: string;
  readonly threshold: number;
  readonly total: number;
  readonly secret: string;
  readonly secret_decoded_by_sc_hsm_tool: string;
  readonly prime_hex: string;
  readonly coefficients: readonly string[];
  readonly shares: readonly { readonly id: number; readonly value: string }[];
}
interface Printed {
  readonly id: string;
  readonly value: string;
}
interface Recorded {
  readonly opensc: string;
  readonly split: {
    readonly prime: string;
    readonly parts: readonly Printed[];
    readonly printed: readonly Printed[];
    readonly file: string;
    readonly share: string;
  };
}
const { cases } = vectors("shamir") as unknown as { cases: Case[] };
const { sessions } = vectors("recorded_wraps") as unknown as { sessions: Recorded[] };
const typed = ({ id, value }: { readonly id: number | string; readonly value: string }) => ({
  id: String(id),
  value: typedValue(value, "value"),
});

describe.each(cases)("vector: $name", ({ threshold, total, secret, prime_hex, coefficients, shares, ...vector }) => {
  const prime = typedValue(prime_hex, "prime");

  test("splits into its parts", () => {
    let next = 0;
    const random = () => fromHex(coefficients[next++] as string);
    const split = splitPassword(fromHex(secret), threshold, total, { prime: toInteger(prime), random });
    expect(split.parts).toEqual(shares.map(({ id, value }) => ({ id, value: typedValue(value, "value") })));
  });

  test("any threshold of them give the secret, as it was and as sc-hsm-tool decodes it", () => {
    const all = shares.map(typed);
    for (const parts of [all.slice(0, threshold), all.slice(-threshold), all]) {
      const candidates = passwordCandidates(prime, parts).map((password) => toHex(password));
      expect(candidates[0]).toBe(secret);
      expect(candidates).toContain(vector.secret_decoded_by_sc_hsm_tool);
    }
  });
});

test("a part 10 that was typed as it is printed, where sc-hsm-tool wants 0a: both open", () => {
  const twelve = cases.find(({ total }) => total === 12) as Case;
  const prime = typedValue(twelve.prime_hex, "prime");
  const [ten, eleven] = twelve.shares.slice(9).map(typed);
  if (ten === undefined || eleven === undefined) throw new Error("no part 10");
  const firsts = (parts: { id: string; value: Uint8Array }[]) =>
    toHex(passwordCandidates(prime, parts)[0] as Uint8Array);
  expect(firsts([ten, eleven])).toBe(twelve.secret);
  expect(
    firsts([
      { ...ten, id: "0a" },
      { ...eleven, id: "0B" },
    ]),
  ).toBe(twelve.secret);
  // A file that was made with part numbers misread as hexadecimal: that reading comes second.
  const misread = joinPassword(prime, [
    { id: 0x10, value: ten.value },
    { id: 0x11, value: eleven.value },
  ]);
  expect(passwordCandidates(prime, [ten, eleven]).map((password) => toHex(password))).toContain(toHex(misread));
});

test("what is split is joined by any threshold of parts in any order, and by no fewer", () => {
  const shape = fc
    .integer({ min: 3, max: 7 })
    .chain((total) => fc.tuple(fc.constant(total), fc.integer({ min: 2, max: total })));
  fc.assert(
    fc.property(shape, fc.infiniteStream(fc.nat()), ([total, threshold], order) => {
      const secret = newSplitSecret();
      const split = splitPassword(secret, threshold, total, { prime: toInteger(fromHex("C3A5C85C97CB346F")) });
      const keyed = split.parts.map((part) => ({ part, key: order.next().value ?? 0 }));
      const parts = keyed.toSorted((a, b) => a.key - b.key).map(({ part }) => part);
      expect(joinPassword(split.prime, parts.slice(0, threshold))).toEqual(secret);
      if (threshold > 2) expect(joinPassword(split.prime, parts.slice(0, threshold - 1))).not.toEqual(secret);
    }),
  );
});

test("the prime is a safe one of 64 bits; the secret has no leading zero byte and its top bit clear", () => {
  const prime = toInteger(splitPassword(newSplitSecret(), 2, 3).prime);
  expect(prime.toString(2).length).toBe(64);
  expect([checkPrimeSync(prime), checkPrimeSync((prime - 1n) / 2n)]).toEqual([true, true]);
  let draws = 0;
  const random = (length: number) => new Uint8Array(length).fill(draws++ === 0 ? 0x80 : 0xff);
  expect(toHex(newSplitSecret(random))).toBe("7FFFFFFFFFFFFFFF");
  expect(refusal(() => newSplitSecret((length) => new Uint8Array(length))).code).toBe("RANDOM_BROKEN");
});

describe.each(sessions)("recorded with OpenSC $opensc", ({ split }) => {
  test("the parts that were typed open the share file, and the share is the one that reached the card", async () => {
    const progress: number[] = [];
    const opened = await openSplitShareFile(
      fromHex(split.file),
      typedValue(split.prime, "prime"),
      split.parts.map(typed),
      {
        progress: (part) => progress.push(part),
      },
    );
    expect(toHex(opened.share)).toBe(split.share);
    expect(progress).toEqual(progress.toSorted((a, b) => a - b));
    expect(progress.at(-1)).toBe(1);
  });

  test("what sc-hsm-tool printed is read as it stands", () => {
    const text = split.printed
      .map(
        ({ id, value }) =>
          `Share ${id} of 5\n\n\nPrime       : ${split.prime}\nShare ID    : ${id}\nShare value : ${value}\n`,
      )
      .join("\nPlease note ALL values above and press <enter> when finished\n");
    const read = readSplitCards(text);
    expect(read).toEqual({
      prime: typedValue(split.prime, "prime"),
      parts: split.printed.map(typed),
      unchecked: ["1", "2", "3", "4", "5"],
    });
  });
});

describe("cards", () => {
  // Fixed: a check figure of 16 bits misses one slip in 65,536, and a test must not meet that one by chance.
  const prime = toInteger(fromHex("C3A5C85C97CB346F"));
  const split = splitPassword(fromHex("1A2B3C4D5E6F7081"), 3, 12, {
    prime,
    random: (length) => new Uint8Array(length).fill(0x42),
  });
  const [first, , , , , , , , , tenth] = split.parts as [SplitPart, ...SplitPart[]];
  if (tenth === undefined) throw new Error("no part 10");

  test("what is printed is read back, in any order, with its check", () => {
    const text = [tenth, first].map((part) => splitCard(split, part, "dkek.pbe")).join("\n");
    expect(readSplitCards(text)).toEqual({
      prime: split.prime,
      parts: [tenth, first].map(({ id, value }) => ({ id: String(id), value })),
      unchecked: [],
    });
    expect(text).toContain("Share ID    : 10   (sc-hsm-tool reads hexadecimal: type 0a there)");
  });

  test("one wrong digit anywhere in the value is named with its part, and never shown", () => {
    let unnoticed = 0;
    for (let i = 0; i < 64; i++) {
      const wrong = { ...first, value: flipped(first.value, i >> 3, i & 7) };
      const card = splitCard(split, wrong, "dkek.pbe").replace(/Check .*/, `Check : ${partCheck(split.prime, first)}`);
      try {
        readSplitCards(card);
        unnoticed++;
      } catch (error) {
        expect(error).toMatchObject({ code: "SPLIT_PART_MISTYPED", kind: "check-failed", details: { part: 1 } });
        expect((error as Error).message).not.toContain(toHex(wrong.value, ":").toLowerCase());
      }
    }
    expect(unnoticed).toBe(0);
  });

  test("reading back what was written", () => {
    const value = toHex(first.value, " ");
    const check = partCheck(split.prime, first);
    expect(() => checkReadBack(split, first, { value, check: check.toLowerCase() })).not.toThrow();
    const slip = toHex(flipped(first.value, 7));
    expect(refusal(() => checkReadBack(split, first, { value: slip, check })).code).toBe("SPLIT_PART_MISTYPED");
    const otherCheck = check === "0000" ? "0001" : "0000";
    expect(refusal(() => checkReadBack(split, first, { value, check: otherCheck })).code).toBe("SPLIT_PART_MISTYPED");
    expect(refusal(() => checkReadBack(split, first, { value: "xyz", check })).code).toBe("SPLIT_CARD_INVALID");
    expect(refusal(() => checkPart(split.prime, { ...first, id: 2 }, check)).message).toContain("part 2");
  });

  test.each([
    ["", "the prime is missing"],
    ["Prime : c3:a5", "holds no part"],
    ["Prime : c3\nShare ID : 1", "the value of part 1 is missing"],
    ["Prime : c3\nPrime : c5", "different splits"],
    ["Share value : c3", "before its part's number"],
    ["Prime : c3:a5:c8:5c:97:cb:34:6f:00\nShare ID : 1", "the prime is not up to 8 bytes"],
    ["x".repeat(70_000), "too long"],
  ])("%j: %s", (text, reason) => {
    expect(refusal(() => readSplitCards(text)).message).toContain(reason);
  });
});

test("the card in docs/dkek-share-format.md is what we print", () => {
  const vector = cases.find(({ total }) => total === 5) as Case;
  const parts = vector.shares.map(({ id, value }) => ({ id, value: typedValue(value, "value") }));
  const split = { prime: typedValue(vector.prime_hex, "prime"), threshold: vector.threshold, parts };
  const card = splitCard(split, parts[2] as SplitPart, "dkek-1.pbe");
  const doc = readFileSync(new URL("../../docs/dkek-share-format.md", import.meta.url), "utf8");
  expect(doc).toContain(card.replace(/^(?=.)/gm, "    "));
});

describe("refused", () => {
  const prime = fromHex("C3A5C85C97CB346F");
  const value = fromInteger(5n, 8);

  test.each([
    [1, 3],
    [2, 2],
    [4, 3],
    [2.5, 3],
    [2, 256],
  ])("a split of %d of %d", (threshold, total) => {
    expect(refusal(() => checkSplit(threshold, total))).toMatchObject({ code: "SPLIT_INVALID", kind: "usage" });
  });

  test.each<[string, SplitPart[], Uint8Array]>([
    ["one part", [{ id: 1, value }], prime],
    [
      "a part twice",
      [
        { id: 1, value },
        { id: 1, value: fromInteger(6n, 8) },
      ],
      prime,
    ],
    [
      "a part 0",
      [
        { id: 0, value },
        { id: 1, value },
      ],
      prime,
    ],
    [
      "a value above the prime",
      [
        { id: 1, value: new Uint8Array(8).fill(255) },
        { id: 2, value },
      ],
      prime,
    ],
    [
      "a prime that is none",
      [
        { id: 1, value },
        { id: 3, value },
      ],
      fromInteger(8n, 8),
    ],
    [
      "no prime",
      [
        { id: 1, value },
        { id: 2, value },
      ],
      new Uint8Array(8),
    ],
  ])("%s", (_, parts, anyPrime) => {
    expect(refusal(() => joinPassword(anyPrime, parts))).toMatchObject({ code: "SPLIT_PARTS_INVALID", kind: "usage" });
  });

  test("a number that is none", () => {
    expect(
      refusal(() =>
        passwordCandidates(prime, [
          { id: "zz", value },
          { id: "1", value },
        ]),
      ).code,
    ).toBe("SPLIT_PARTS_INVALID");
  });
});

test("new custodians and another threshold: the share, and so the DKEK, stays", async () => {
  const options = { iterations: 1000 };
  const share = new Uint8Array(32).fill(0x5a);
  const first = await sealSplitShareFile(share, { threshold: 2, total: 3, ...options });
  const parts = (split: typeof first.split, count: number) =>
    split.parts.slice(-count).map(({ id, value }) => ({ id: String(id), value }));
  const opened = await openSplitShareFile(first.file, first.split.prime, parts(first.split, 2), options);
  expect(opened.share).toEqual(share);
  const second = await sealSplitShareFile(opened.share, { threshold: 3, total: 5, ...options });
  expect((await openSplitShareFile(second.file, second.split.prime, parts(second.split, 3), options)).share).toEqual(
    share,
  );
  const old = openSplitShareFile(second.file, first.split.prime, parts(first.split, 2), options);
  expect(await refusalOf(old)).toMatchObject({ code: "SHARE_PASSWORD_WRONG", kind: "authentication" });
  const few = openSplitShareFile(second.file, second.split.prime, parts(second.split, 2), options);
  expect((await refusalOf(few)).advice).toContain("too few parts");
});

test("a file that was made with the shortened secret opens too", async () => {
  const options = { iterations: 1000 };
  const zero = cases.find(({ secret }) => secret.startsWith("00")) as Case;
  const { sealShareFile } = await import("../../src/crypto/shares/dkek-share-file.ts");
  const share = new Uint8Array(32).fill(9);
  for (const password of [zero.secret, zero.secret_decoded_by_sc_hsm_tool]) {
    const file = await sealShareFile(share, fromHex(password), options);
    const parts = zero.shares.slice(0, 2).map(typed);
    const opened = await openSplitShareFile(file, typedValue(zero.prime_hex, "prime"), parts, options);
    expect([opened.share, toHex(opened.password)]).toEqual([share, password]);
  }
});
