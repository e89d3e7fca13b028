import { createPrivateKey } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { fromHex, toHex } from "../../../src/bytes/hex.ts";
import { judgeBlob } from "../../../src/crypto/pico-fido/backup-blob.ts";
import {
  hostKeyFromPem,
  hostKeyId,
  hostPublicPoint,
  hostSigningKey,
  newHostKey,
} from "../../../src/crypto/pico-fido/host-key.ts";
import { hostKeyFromToolWords, hostKeyFromWords, hostKeyWords } from "../../../src/crypto/pico-fido/key-words.ts";

const scalar = fc.uint8Array({ minLength: 32, maxLength: 32 });
const refusal = (code: string) => expect.objectContaining({ code, kind: "check-failed" });

describe("BIP-39", () => {
  test.each([
    ["00".repeat(32), `${"abandon ".repeat(23)}art`],
    ["ff".repeat(32), `${"zoo ".repeat(23)}vote`],
    [
      "f585c11aec520db57dd353c69554b21a89b20fb0650966fa0a9d6f74fd989d8f",
      "void come effort suffer camp survey warrior heavy shoot primary clutch crush open amazing screen patrol group space point ten exist slush involve unfold",
    ],
  ])("%s, a vector of BIP-39", (entropy, words) => {
    expect(hostKeyWords(fromHex(entropy)).join(" ")).toBe(words);
    expect(toHex(hostKeyFromWords(words)).toLowerCase()).toBe(entropy);
  });

  test("there and back, in any writing", () => {
    fc.assert(
      fc.property(scalar, (key) => {
        const words = hostKeyWords(key);
        const numbered = words.map((word, i) => `${i + 1}. ${word.toUpperCase()}`).join("\r\n");
        expect(hostKeyFromWords(words.join("  "))).toEqual(key);
        expect(hostKeyFromWords(`# host key deadbeef of a token\n${numbered}\n`)).toEqual(key);
      }),
      { numRuns: 25 },
    );
  });

  test("a checksum, an unknown word, too few: refused, and no word is repeated", () => {
    const words = hostKeyWords(fromHex("0102030405060708".repeat(4)));
    const swapped = [words[1], words[0], ...words.slice(2)].join(" ");
    expect(() => hostKeyFromWords(swapped)).toThrow(refusal("HOST_KEY_WORDS_INVALID"));
    expect(() => hostKeyFromWords(words.slice(1).join(" "))).toThrow(/there are 23 words/);
    const message = thrown(() => hostKeyFromWords(words.with(4, "hsmadm").join(" "))).message;
    expect(message).toContain("word 5");
    expect(message).not.toContain("hsmadm");
    for (const word of words)
      expect(message.split(/\W+/).filter((part) => part === word && part.length > 4)).toEqual([]);
  });
});

describe("words of the older tool", () => {
  const list = Array.from({ length: 2048 }, (_, i) =>
    [...i.toString(26).padStart(3, "0")].map((d) => "abcdefghijklmnopqrstuvwxyz"[Number.parseInt(d, 26)]).join(""),
  );

  test("the least significant digit first", () => {
    fc.assert(
      fc.property(scalar, (key) => {
        let value = BigInt(`0x${toHex(key)}`);
        const words = Array.from({ length: 24 }, () => {
          const word = list[Number(value % 2048n)] ?? "";
          value /= 2048n;
          return word;
        });
        expect(hostKeyFromToolWords(words.join("\n"), list.join("\n"))).toEqual(key);
      }),
      { numRuns: 25 },
    );
  });

  test("what is no number of 256 bits, no list, no word of it", () => {
    const highest = `${"aaa ".repeat(23)}${list[8]}`;
    expect(() => hostKeyFromToolWords(highest, list.join("\n"))).toThrow(/order is wrong/);
    expect(() => hostKeyFromToolWords(`${"aaa ".repeat(23)}zzz`, list.join(" "))).toThrow(/word 24/);
    expect(() => hostKeyFromToolWords("aaa", list.join(" "))).toThrow(/1 words/);
    expect(() => hostKeyFromToolWords(highest, list.slice(1).join("\n"))).toThrow(refusal("WORD_LIST_INVALID"));
    expect(() => hostKeyFromToolWords(highest, [...list.slice(1), "aab"].join("\n"))).toThrow(/a word twice/);
  });
});

describe("host key", () => {
  test("is new each time, and a scalar", () => {
    const keys = Array.from({ length: 4 }, newHostKey);
    expect(new Set(keys.map(hostKeyId)).size).toBe(4);
    for (const key of keys) expect(hostPublicPoint(key)).toHaveLength(65);
  });

  test("comes out of the older tool's PEM as it went in", () => {
    const key = fromHex("00".repeat(2) + "17".repeat(30));
    const pem = String(hostSigningKey(key).export({ format: "pem", type: "pkcs8" }));
    expect(createPrivateKey(pem).asymmetricKeyType).toBe("ec");
    expect(hostKeyFromPem(pem)).toEqual(key);
  });

  test.each(["", "no PEM", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----"])(
    "PEM %j is refused",
    (pem) => {
      expect(() => hostKeyFromPem(pem)).toThrow(refusal("HOST_KEY_INVALID"));
    },
  );

  test.each([new Uint8Array(32), new Uint8Array(32).fill(0xff), new Uint8Array(31).fill(1)])(
    "%j is no scalar",
    (key) => {
      expect(() => hostPublicPoint(key)).toThrow(refusal("HOST_KEY_INVALID"));
    },
  );

  test("random bytes open no blob", () => {
    fc.assert(
      fc.property(
        scalar,
        fc.uint8Array({ minLength: 60, maxLength: 60 }),
        (key, blob) => judgeBlob(blob, key) === "other-key",
      ),
    );
  });
});

function thrown(run: () => unknown): Error {
  try {
    run();
  } catch (error) {
    if (error instanceof Error) return error;
  }
  throw new Error("nothing was thrown");
}
