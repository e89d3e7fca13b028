import { createCipheriv, createECDH } from "node:crypto";
import { describe, expect, test } from "vitest";
import { concat } from "../../../src/bytes/bytes.ts";
import { fromHex } from "../../../src/bytes/hex.ts";
import { hkdf, hkdfExpand, hkdfExtract } from "../../../src/crypto/age/hkdf.ts";
import { decapsulate, encapsulate, keySchedule } from "../../../src/crypto/age/hpke.ts";
import { x25519Agree, x25519PublicKey } from "../../../src/crypto/age/x25519.ts";
import { hexAt, textAt, vectors } from "../vectors.ts";

const rfc = vectors("age_rfc");
const rows = (name: string): Record<string, unknown>[] => rfc[name] as Record<string, unknown>[];

describe("HKDF-SHA-256", () => {
  test.each(rows("hkdf").map((row) => [textAt(row, "origin"), row] as const))("%s", (_, row) => {
    const [ikm, salt, info, okm] = ["ikm", "salt", "info", "okm"].map((key) => hexAt(row, key)) as [
      Uint8Array,
      Uint8Array,
      Uint8Array,
      Uint8Array,
    ];
    expect(hkdfExtract(salt, ikm)).toEqual(hexAt(row, "prk"));
    expect(hkdfExpand(hexAt(row, "prk"), info, okm.length)).toEqual(okm);
    expect(hkdf(ikm, salt, info, okm.length)).toEqual(okm);
  });
});

describe("X25519", () => {
  test.each(rows("x25519").map((row) => [textAt(row, "origin"), row] as const))("%s", (_, row) => {
    expect(x25519Agree(hexAt(row, "scalar"), hexAt(row, "u"))).toEqual(hexAt(row, "product"));
    if (row["public"] !== undefined) expect(x25519PublicKey(hexAt(row, "scalar"))).toEqual(hexAt(row, "public"));
  });

  test("points of low order give no secret", () => {
    const scalar = new Uint8Array(32).fill(5);
    const orderEight = "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800";
    for (const u of ["00".repeat(32), `01${"00".repeat(31)}`, orderEight]) {
      expect(x25519Agree(scalar, fromHex(u))).toBeNull();
    }
  });
});

describe("HPKE", () => {
  const row = rfc["hpke"] as Record<string, unknown>;
  const [enc, point, secret] = [hexAt(row, "enc"), hexAt(row, "pkRm"), hexAt(row, "shared_secret")];

  test(`${textAt(row, "origin")}: sender`, () => {
    expect(encapsulate(point, hexAt(row, "skEm"))).toEqual({ enc, sharedSecret: secret });
  });

  test("receiver", async () => {
    const card = createECDH("prime256v1");
    card.setPrivateKey(hexAt(row, "skRm"));
    const agree = async (theirs: Uint8Array): Promise<Uint8Array> => new Uint8Array(card.computeSecret(theirs));
    expect(await decapsulate(enc, point, agree)).toEqual(secret);
  });

  test("key schedule and message", () => {
    const { key, nonce } = keySchedule(secret, hexAt(row, "info"));
    expect([key, nonce]).toEqual([hexAt(row, "key"), hexAt(row, "base_nonce")]);
    const cipher = createCipheriv("chacha20-poly1305", key, nonce, { authTagLength: 16 });
    cipher.setAAD(hexAt(row, "aad"), { plaintextLength: hexAt(row, "pt").length });
    const sealed = concat(cipher.update(hexAt(row, "pt")), cipher.final(), cipher.getAuthTag());
    expect(sealed).toEqual(hexAt(row, "ct"));
  });
});
