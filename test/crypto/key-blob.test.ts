import { createCipheriv, generateKeyPairSync } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { fromHex, toHex } from "../../src/bytes/hex.ts";
import { curveByName, curveNames } from "../../src/crypto/curves/curves.ts";
import { privateScalar, publicPointOf } from "../../src/crypto/curves/ec-keys.ts";
import {
  checkKeyBlob,
  type KeyBlobSettings,
  type KeyBlobType,
  openKeyBlob,
  parseKeyBlob,
  sealKeyBlob,
} from "../../src/crypto/keys/key-blob.ts";
import { defaultStyle, readFields, writeFields } from "../../src/crypto/keys/key-blob-fields.ts";
import {
  describeKey,
  type PlainKey,
  type PlainRsaKey,
  publicBelongsToPrivate,
  rsaFromFactors,
  wipeKey,
} from "../../src/crypto/keys/plain-key.ts";
import { deriveDkekKeys } from "../../src/crypto/shares/dkek.ts";
import type { HsmError } from "../../src/errors.ts";
import { flipped, refusal } from "./refusal.ts";
import { vectors } from "./vectors.ts";

interface Vector {
  readonly dkek: string;
  readonly random_prefix: string;
  readonly key: Record<string, string>;
  readonly header: string;
  readonly blob: string;
}
const cases = vectors("wrapped_keys")["cases"] as Record<string, Vector>;
const { sessions: recorded } = vectors("recorded_wraps") as unknown as {
  sessions: { opensc: string; wrapped: { blob: string; dkek: string; encryptsZerosTo: string }[] }[];
};
const named = (name: string): Vector => cases[name] as Vector;
const part = (vector: Vector, name: string): Uint8Array => fromHex(vector.key[name] as string);
const allowed = (vector: Vector): string => (vector.header.includes("10111899") ? "10111899" : "");

/** How the program that made the vectors writes: pypicohsm's minimal integers. */
const styles: Record<string, KeyBlobSettings["style"]> = {
  ec_p256_empty_A: { emptyA: true },
  rsa2048_type5: { integers: "minimal", crtUpTo: 0 },
  rsa2048_type6_crt: { integers: "minimal" },
};

describe.each(Object.entries(cases))("vector %s", (name, vector) => {
  const dkek = deriveDkekKeys(fromHex(vector.dkek));
  const blob = parseKeyBlob(fromHex(vector.blob));

  test("opens to its key, whose halves belong together", () => {
    const key = openKeyBlob(blob, dkek);
    if (key.kind === "aes") expect(key.value).toEqual(part(vector, "key"));
    if (key.kind === "ec") {
      expect([key.curve, toHex(key.scalar), toHex(key.point)]).toEqual(["secp256r1", vector.key["d"], vector.key["Q"]]);
    }
    if (key.kind === "rsa") {
      expect([key.modulus, key.exponent, key.privateExponent].map((value) => toHex(value))).toEqual([
        vector.key["n"],
        vector.key["e"],
        vector.key["d"],
      ]);
    }
    expect(publicBelongsToPrivate(key)).toBe(key.kind === "aes" ? null : true);
    expect(toHex(blob.allowedAlgorithms)).toBe(allowed(vector));
  });

  test("is what we seal, byte for byte", () => {
    const sealed = sealKeyBlob(openKeyBlob(blob, dkek), dkek, {
      allowedAlgorithms: fromHex(allowed(vector)),
      random: () => fromHex(vector.random_prefix),
      style: styles[name] ?? {},
    });
    expect(toHex(sealed)).toBe(vector.blob);
  });
});

test.each(recorded)(
  "recorded with OpenSC $opensc: the AES key is the one that the card computed with",
  ({ wrapped }) => {
    for (const { blob, dkek: hex, encryptsZerosTo } of wrapped) {
      const key = openKeyBlob(parseKeyBlob(fromHex(blob)), deriveDkekKeys(fromHex(hex)));
      if (key.kind !== "aes") throw new Error("no AES key");
      const cipher = createCipheriv(`aes-${8 * key.value.length}-cbc`, key.value, new Uint8Array(16)).setAutoPadding(
        false,
      );
      expect(toHex(cipher.update(new Uint8Array(16)))).toBe(encryptsZerosTo);
    }
    expect(wrapped.length).toBe(1);
  },
);

test("type 06 and type 05 of the same key are the same key", () => {
  const vector = named("rsa2048_type6_crt");
  const key = rsaFromFactors(part(vector, "p"), part(vector, "q"), part(vector, "e"));
  const fields = [key.modulus, key.privateExponent, key.factors?.dP, key.factors?.dQ, key.factors?.qInv];
  expect(fields.map((value) => value && toHex(value))).toEqual(
    ["n", "d", "dp", "dq", "qinv"].map((name) => vector.key[name]),
  );
});

const dkek = deriveDkekKeys(new Uint8Array(32).fill(7));
const style = fc.record({
  integers: fc.constantFrom("fixed" as const, "minimal" as const),
  emptyA: fc.boolean(),
  padAligned: fc.boolean(),
});

describe("what is sealed opens, in every style", () => {
  const filled = (byte: number) => (length: number) => new Uint8Array(length).fill(byte);
  test.each(curveNames)("%s", (name) => {
    const curve = curveByName(name);
    if (curve === undefined) throw new Error(name);
    fc.assert(
      fc.property(style, fc.integer({ min: 0, max: 255 }), (someStyle, byte) => {
        const scalar = privateScalar(curve, filled(byte));
        const key: PlainKey = { kind: "ec", curve: name, scalar, point: publicPointOf(curve, scalar) };
        expect(openKeyBlob(parseKeyBlob(sealKeyBlob(key, dkek, { style: someStyle })), dkek)).toEqual(key);
      }),
      { numRuns: 6 },
    );
  });

  test("a private key with leading zeros", () => {
    const curve = curveByName("secp256r1");
    if (curve === undefined) throw new Error("secp256r1");
    const scalar = new Uint8Array(32);
    scalar.set([1, 2, 3], 29);
    const key: PlainKey = { kind: "ec", curve: "secp256r1", scalar, point: publicPointOf(curve, scalar) };
    for (const integers of ["fixed", "minimal"] as const) {
      expect(openKeyBlob(parseKeyBlob(sealKeyBlob(key, dkek, { style: { integers } })), dkek)).toEqual(key);
    }
  });

  test.each([1024, 2048, 3072])("RSA-%d", (modulusLength) => {
    const key = newRsa(modulusLength);
    expect(publicBelongsToPrivate(key)).toBe(true);
    fc.assert(
      fc.property(style, fc.constantFrom(0, 2048, 4096), (someStyle, crtUpTo) => {
        const blob = parseKeyBlob(sealKeyBlob(key, dkek, { style: { ...someStyle, crtUpTo } }));
        const opened = openKeyBlob(blob, dkek) as PlainRsaKey;
        expect(blob.type).toBe(modulusLength <= crtUpTo ? 6 : 5);
        expect(opened).toEqual({ ...key, factors: blob.type === 6 ? key.factors : undefined });
      }),
      { numRuns: 6 },
    );
  });

  test("AES, and the algorithm list", () => {
    const value = fc
      .constantFrom(16, 24, 32)
      .chain((length) => fc.uint8Array({ minLength: length, maxLength: length }));
    fc.assert(
      fc.property(value, style, fc.uint8Array({ maxLength: 20 }), (bytes, someStyle, allowedAlgorithms) => {
        const key: PlainKey = { kind: "aes", value: bytes };
        const blob = parseKeyBlob(sealKeyBlob(key, dkek, { style: someStyle, allowedAlgorithms }));
        expect(openKeyBlob(blob, dkek)).toEqual(key);
        expect(blob.allowedAlgorithms).toEqual(allowedAlgorithms);
      }),
    );
  });

  test("two blobs of one key differ", () => {
    const key: PlainKey = { kind: "aes", value: new Uint8Array(16) };
    expect(sealKeyBlob(key, dkek)).not.toEqual(sealKeyBlob(key, dkek));
  });
});

describe("refused", () => {
  const vector = named("ec_p256");
  const own = deriveDkekKeys(fromHex(vector.dkek));
  const good = fromHex(vector.blob);
  const open = (bytes: Uint8Array) => openKeyBlob(parseKeyBlob(bytes), own);

  test("a flipped bit in any byte", () => {
    for (let i = 0; i < good.length; i++) {
      const { code, kind } = refusal(() => open(flipped(good, i, i % 8)));
      expect(kind).toBe("check-failed");
      expect(i < 8 ? ["KEY_BLOB_OTHER_DKEK"] : ["KEY_BLOB_MAC", "KEY_BLOB_INVALID"]).toContain(code);
    }
  });

  test("any length but its own", () => {
    for (let length = 0; length < good.length; length++) {
      expect(refusal(() => open(good.subarray(0, length))).kind).toBe("check-failed");
    }
    expect(refusal(() => parseKeyBlob(new Uint8Array(20_000))).code).toBe("KEY_BLOB_INVALID");
  });

  test("another DKEK, told by its KCV", () => {
    const error = refusal(() => checkKeyBlob(parseKeyBlob(good), dkek));
    expect(error).toMatchObject({ code: "KEY_BLOB_OTHER_DKEK", kind: "check-failed" });
    expect(error.message).toContain("630DCD2966C43366");
  });

  test("nonsense, whatever it is", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
        expect(refusal(() => open(bytes)).kind).toBe("check-failed");
      }),
    );
  });

  test("nonsense under a right MAC", () => {
    fc.assert(
      fc.property(fc.constantFrom(5, 6, 12, 15), fc.uint8Array({ maxLength: 200 }), (type, fields) => {
        try {
          readFields(type as KeyBlobType, fields);
        } catch (error) {
          expect(["KEY_BLOB_INVALID", "CURVE_UNKNOWN", "KEY_INCONSISTENT"]).toContain((error as HsmError).code);
        }
      }),
      { numRuns: 500 },
    );
    const inner = writeFields({ kind: "aes", value: new Uint8Array(16) }, defaultStyle).fields;
    for (let length = 0; length < inner.length; length++) {
      expect(refusal(() => readFields(15, inner.subarray(0, length))).code).toBe("KEY_BLOB_INVALID");
    }
  });

  test("curve parameters that are not all those of one curve, the base point too (CVE-2020-0601)", () => {
    const key = openKeyBlob(parseKeyBlob(good), own);
    const { fields } = writeFields(key, defaultStyle);
    expect(readFields(12, fields)).toEqual(key);
    // Size, then a, b, p, n of 2 + 32 bytes each, then the base point.
    for (const at of [10, 44, 78, 112, 145, 150]) {
      expect(refusal(() => readFields(12, flipped(fields, at))).code).toBe("CURVE_UNKNOWN");
    }
  });

  test("keys that the format cannot hold", () => {
    const aes: PlainKey = { kind: "aes", value: new Uint8Array(15) };
    expect(refusal(() => sealKeyBlob(aes, own))).toMatchObject({ code: "KEY_NOT_WRAPPABLE", kind: "not-supported" });
    const ec: PlainKey = { kind: "ec", curve: "nowhere", scalar: new Uint8Array(32), point: new Uint8Array(65) };
    expect(refusal(() => sealKeyBlob(ec, own)).code).toBe("KEY_NOT_WRAPPABLE");
  });
});

describe("halves that do not belong together are told", () => {
  test("EC", () => {
    const key = openKeyBlob(
      parseKeyBlob(fromHex(named("ec_p256").blob)),
      deriveDkekKeys(fromHex(named("ec_p256").dkek)),
    );
    if (key.kind !== "ec") throw new Error("no EC key");
    expect(publicBelongsToPrivate({ ...key, scalar: flipped(key.scalar, 31) })).toBe(false);
    expect(publicBelongsToPrivate({ ...key, point: flipped(key.point, 64) })).toBe(false);
    expect(publicBelongsToPrivate({ ...key, scalar: new Uint8Array(32) })).toBe(false);
    expect(publicBelongsToPrivate({ ...key, scalar: new Uint8Array(32).fill(0xff) })).toBe(false);
  });

  test("RSA, each part of it", () => {
    const key = newRsa(1024);
    const bare: PlainRsaKey = { ...key, factors: undefined };
    expect(publicBelongsToPrivate(bare)).toBe(true);
    for (const field of ["modulus", "exponent", "privateExponent"] as const) {
      expect(publicBelongsToPrivate({ ...bare, [field]: flipped(bare[field], bare[field].length - 1, 1) })).toBe(false);
    }
    const factors = key.factors;
    if (factors === undefined) throw new Error("no factors");
    for (const field of ["p", "q", "dP", "dQ", "qInv"] as const) {
      const wrong = { ...factors, [field]: flipped(factors[field], 20, 1) };
      expect(publicBelongsToPrivate({ ...key, factors: wrong })).toBe(false);
    }
  });
});

test("a key is named without its secrets, and can be wiped", () => {
  const key = newRsa(1024);
  expect(describeKey(key)).toBe("RSA-1024");
  expect(describeKey({ kind: "aes", value: new Uint8Array(24) })).toBe("AES-192");
  wipeKey(key);
  expect(
    [key.privateExponent, ...Object.values<Uint8Array>({ ...key.factors })].flatMap((value) => [...value]),
  ).toEqual(expect.not.arrayContaining([1]));
});

function newRsa(modulusLength: number): PlainRsaKey {
  const jwk = generateKeyPairSync("rsa", { modulusLength }).privateKey.export({ format: "jwk" });
  const [p, q, e] = [jwk.p, jwk.q, jwk.e].map((text) => new Uint8Array(Buffer.from(text as string, "base64url")));
  return rsaFromFactors(p as Uint8Array, q as Uint8Array, e as Uint8Array);
}
