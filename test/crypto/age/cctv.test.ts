import { Decrypter, type Stanza as TypageStanza } from "age-encryption";
import { describe, expect, test } from "vitest";
import { concat, equal, utf8Bytes } from "../../../src/bytes/bytes.ts";
import { fromHex } from "../../../src/bytes/hex.ts";
import { openAgeFile, type Unwrap } from "../../../src/crypto/age/age-file.ts";
import { decodeArmor, encodeArmor, isArmored } from "../../../src/crypto/age/armor.ts";
import { buildAgeHeader, headerMacMatches, parseAgeHeader } from "../../../src/crypto/age/header.ts";
import { openPayload, sealPayload } from "../../../src/crypto/age/payload.ts";
import { unwrapScrypt } from "../../../src/crypto/age/scrypt.ts";
import type { Stanza } from "../../../src/crypto/age/stanza.ts";
import { parseX25519Identity, unwrapX25519 } from "../../../src/crypto/age/x25519.ts";
import { HsmError } from "../../../src/errors.ts";
import { type CctvVector, cctvVectors, sha256Hex } from "./cctv.ts";

const vectors = cctvVectors();

/** What each of our errors is called by the vectors. */
const classes: Record<string, string> = {
  AGE_ARMOR_INVALID: "armor failure",
  AGE_FILE_INVALID: "header failure",
  AGE_VERSION: "header failure",
  AGE_WORK_FACTOR: "header failure",
  AGE_NO_MATCH: "no match",
  AGE_MAC_WRONG: "HMAC failure",
  AGE_PAYLOAD_INVALID: "payload failure",
};

function unwrapOf({ identities, passphrases }: CctvVector): Unwrap {
  return async (stanzas) => {
    for (const stanza of stanzas) {
      for (const text of identities) {
        const fileKey = text.startsWith("AGE-SECRET-KEY-PQ-")
          ? await postQuantum(text, stanzas)
          : unwrapX25519(stanza, parseX25519Identity(text).secret);
        if (fileKey !== null) return fileKey;
      }
      for (const passphrase of passphrases) {
        const fileKey = await unwrapScrypt(stanza, utf8Bytes(passphrase));
        if (fileKey !== null) return fileKey;
      }
    }
    return null;
  };
}

/**
 * We have no post-quantum recipient: those stanzas are opened by age-encryption, which gets them from our codec. The
 * header around them, the MAC and the payload stay ours.
 */
async function postQuantum(identity: string, stanzas: readonly Stanza[]): Promise<Uint8Array | null> {
  const decrypter = new Decrypter();
  decrypter.addIdentity(identity);
  const theirs = (decrypter as unknown as { identities: { unwrapFileKey(s: unknown): Promise<Uint8Array | null> }[] })
    .identities;
  const given = stanzas.map(({ type, args, body }) => ({ args: [type, ...args], body }) as TypageStanza);
  try {
    return (await theirs[0]?.unwrapFileKey(given)) ?? null;
  } catch (cause) {
    throw new HsmError("AGE_FILE_INVALID", "check-failed", "a stanza of another kind is malformed", { cause });
  }
}

interface Outcome {
  readonly class: string;
  readonly given: readonly Uint8Array[];
}

/** @param piece size of the pieces the file comes in */
async function read(vector: CctvVector, piece: number): Promise<Outcome> {
  const given: Uint8Array[] = [];
  try {
    const file = vector.armored ? decodeArmor(vector.file) : vector.file;
    const { payload } = await openAgeFile(inPieces(file, piece), unwrapOf(vector));
    for await (const part of payload) given.push(part);
    return { class: "success", given };
  } catch (error) {
    if (!(error instanceof HsmError)) throw error;
    return { class: classes[error.code] ?? error.code, given };
  }
}

function* inPieces(bytes: Uint8Array, size: number): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

describe("CCTV age vectors", () => {
  test("all of them are here", () => {
    const counts: Record<string, number> = {};
    for (const { expect } of vectors) counts[expect] = (counts[expect] ?? 0) + 1;
    expect(vectors).toHaveLength(143);
    expect(counts).toEqual({
      success: 26,
      "no match": 13,
      "HMAC failure": 1,
      "header failure": 62,
      "payload failure": 19,
      "armor failure": 22,
    });
  });

  // Whole, and in pieces that end within lines, nonces, chunks and tags.
  for (const piece of [Number.POSITIVE_INFINITY, 70_001]) {
    const how = Number.isFinite(piece) ? `in pieces of ${piece} bytes` : "in one piece";
    describe(how, () => {
      for (const vector of vectors) {
        test(`${vector.name}: ${vector.expect}`, async () => {
          const outcome = await read(vector, Math.min(piece, Math.max(1, vector.file.length)));
          expect(outcome.class).toBe(vector.expect);
          if (vector.payload !== undefined) expect(sha256Hex(outcome.given)).toBe(vector.payload);
          else expect(outcome.given).toEqual([]);
        });
      }
    });
  }

  test("small files come byte by byte as well", async () => {
    for (const vector of vectors.filter(({ file }) => file.length < 3000)) {
      const outcome = await read(vector, 1);
      expect(outcome.class, vector.name).toBe(vector.expect);
    }
  });

  test("every header that can be read is written again as it was", () => {
    let count = 0;
    for (const vector of vectors) {
      if (vector.fileKey === undefined || !["success", "no match", "payload failure"].includes(vector.expect)) continue;
      const file = vector.armored ? decodeArmor(vector.file) : vector.file;
      const header = parseAgeHeader(file);
      const fileKey = fromHex(vector.fileKey);
      const written = buildAgeHeader(header.stanzas, fileKey);
      if (headerMacMatches(header, fileKey))
        expect(equal(written, file.subarray(0, header.length)), vector.name).toBe(true);
      expect(equal(parseAgeHeader(written).macInput, header.macInput), vector.name).toBe(true);
      count++;
    }
    expect(count).toBe(58);
  });

  test("every good payload is sealed again as it was", () => {
    for (const vector of vectors.filter((candidate) => candidate.expect === "success")) {
      const file = vector.armored ? decodeArmor(vector.file) : vector.file;
      const payload = file.subarray(parseAgeHeader(file).length);
      const fileKey = fromHex(vector.fileKey ?? "");
      const plain = openPayload(fileKey, payload);
      expect(equal(sealPayload(fileKey, plain, payload.slice(0, 16)), payload), vector.name).toBe(true);
    }
  });

  test("every armor that can be read is written again as it was, white space apart", () => {
    for (const vector of vectors.filter(({ armored, expect }) => armored && expect !== "armor failure")) {
      const normal = `${new TextDecoder().decode(vector.file).trim().replaceAll("\r\n", "\n")}\n`;
      expect(isArmored(vector.file)).toBe(true);
      expect(new TextDecoder().decode(encodeArmor(decodeArmor(vector.file))), vector.name).toBe(normal);
    }
  });

  test("bytes before a header are a header failure, and bytes behind a payload a payload failure", async () => {
    const good = vectors.find(({ name }) => name === "x25519");
    if (good === undefined) throw new Error("the vector x25519 is missing");
    expect((await read({ ...good, file: concat(Uint8Array.of(0x20), good.file) }, 100)).class).toBe("header failure");
    expect((await read({ ...good, file: concat(good.file, Uint8Array.of(0)) }, 100)).class).toBe("payload failure");
  });
});
