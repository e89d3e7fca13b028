import { createHmac, hkdfSync, scryptSync } from "node:crypto";
import { describe, expect, test } from "vitest";
import { utf8Bytes } from "../../../src/bytes/bytes.ts";
import { fromHex, toHex } from "../../../src/bytes/hex.ts";
import { aesCmac } from "../../../src/crypto/aes-cmac.ts";
import { x25519PublicKey } from "../../../src/crypto/age/x25519.ts";
import {
  aesCmacSecret,
  derivedX25519,
  passphraseSecret,
  scryptDefaults,
} from "../../../src/crypto/vault/derived-key.ts";
import { hkdf32 } from "../../../src/crypto/vault/kdf.ts";
import { derive, fileIdentity, stateKey, vaultId, vaultIdGrammar } from "../../../src/crypto/vault/vault-seed.ts";
import { refusal, refusalOf } from "../refusal.ts";

const salt16 = Uint8Array.from({ length: 16 }, (_, i) => 0xa0 + i);
const given = Uint8Array.from({ length: 32 }, (_, i) => i);
const seed = Uint8Array.from({ length: 32 }, (_, i) => 0xff - i);

test("HKDF-SHA256 as RFC 5869 has it, cases 1 and 3", () => {
  expect(
    toHex(
      hkdf32(new Uint8Array(22).fill(0x0b), fromHex("000102030405060708090a0b0c"), fromHex("f0f1f2f3f4f5f6f7f8f9")),
    ),
  ).toBe("3CB25F25FAACD57A90434F64D0362F2A2D2D0A90CF1A5A4C5DB02D56ECC4C5BF");
  expect(toHex(hkdf32(new Uint8Array(22).fill(0x0b), "", ""))).toBe(
    "8DA4E775A563C18F715F802A063C5A31B8A11F5C5EE1879EC3454E5F3C738D2D",
  );
});

describe("sources without a public key", () => {
  test("an AES key on a card: two CMACs, as written down", async () => {
    const key = new Uint8Array(32).fill(0x42);
    const messages: string[] = [];
    const secret = await aesCmacSecret(async (message) => {
      messages.push(toHex(message));
      return aesCmac(key, message);
    }, salt16);
    const rest = `${toHex(utf8Bytes("hsmadm/aes/v1"))}00${toHex(salt16)}0100`;
    expect(messages).toEqual([`01${rest}`, `02${rest}`]);
    expect(secret).toEqual(
      new Uint8Array([...aesCmac(key, fromHex(`01${rest}`)), ...aesCmac(key, fromHex(`02${rest}`))]),
    );
  });

  test("a card that answers something else than a CMAC", async () => {
    const refused = await refusalOf(aesCmacSecret(async () => new Uint8Array(8), salt16));
    expect(refused).toMatchObject({ code: "VAULT_DERIVATION_INVALID", kind: "check-failed" });
  });

  test("a passphrase: scrypt, whose costs are bounded", async () => {
    const phrase = utf8Bytes("correct horse");
    const cost = { N: 1024, r: 8, p: 1 };
    expect(await passphraseSecret(phrase, { logN: 10, r: 8, p: 1, salt: salt16 })).toEqual(
      new Uint8Array(scryptSync(phrase, salt16, 32, cost)),
    );
    expect(scryptDefaults).toEqual({ logN: 17, r: 8, p: 1 });
    for (const wrong of [
      { logN: 21 },
      { logN: 9 },
      { logN: 10.5 },
      { r: 9 },
      { p: 2 },
      { r: 0 },
      { salt: new Uint8Array(8) },
    ]) {
      const refused = await refusalOf(passphraseSecret(phrase, { logN: 10, r: 8, p: 1, salt: salt16, ...wrong }));
      expect(refused).toMatchObject({ code: "VAULT_SCRYPT_INVALID", kind: "check-failed" });
    }
  });

  test("the X25519 key: HKDF of what the source gave, bound to its kind and salt", () => {
    const info = Buffer.from(`\0\u0005fido2\0\u0020`, "latin1");
    const salt = new Uint8Array(32).fill(9);
    const expected = new Uint8Array(hkdfSync("sha256", given, "hsmadm/derived/v1", Buffer.concat([info, salt]), 32));
    const pair = derivedX25519("fido2", given, salt);
    expect(pair).toEqual({ secret: expected, publicKey: x25519PublicKey(expected) });
    const others = [
      derivedX25519("card-aes", given, salt),
      derivedX25519("fido2", seed, salt),
      derivedX25519("fido2", given, salt16),
    ];
    for (const other of others) expect(other.secret).not.toEqual(pair.secret);
    expect(refusal(() => derivedX25519("fido2", salt16, salt)).code).toBe("VAULT_DERIVATION_INVALID");
  });
});

describe("what comes from the seed", () => {
  const expand = (info: string): Uint8Array => new Uint8Array(hkdfSync("sha256", seed, "hsmadm-vault/v1", info, 32));

  test("keys for consumers, the file identity, the state key", () => {
    expect(derive(seed, "zfs", "tank/home")).toEqual(expand("zfs\0tank/home"));
    expect(derive(seed, "raw", "")).toEqual(expand("raw\0"));
    expect(derive(seed, "zfs", "größe")).toEqual(expand("zfs\0größe"));
    expect(fileIdentity(seed)).toEqual({ secret: expand("file\0"), publicKey: x25519PublicKey(expand("file\0")) });
    expect(stateKey(seed)).toEqual(expand("state\0"));
  });

  test("the vault id: 16 bytes in base32", () => {
    const id = vaultId(seed);
    expect(id).toMatch(vaultIdGrammar);
    let bits = "";
    for (const letter of id.slice(3))
      bits += "abcdefghijklmnopqrstuvwxyz234567".indexOf(letter).toString(2).padStart(5, "0");
    const bytes = Uint8Array.from({ length: 16 }, (_, i) => Number.parseInt(bits.slice(8 * i, 8 * i + 8), 2));
    expect(bytes).toEqual(expand("id\0").subarray(0, 16));
    expect(bits.slice(128)).toBe("00");
    expect(vaultId(new Uint8Array(32))).not.toBe(id);
  });

  test.each(["id", "file", "state", "", "ZFS", "a b", "a\0b", "x".repeat(33), "-a"])(
    "the purpose %j is refused",
    (purpose) => {
      expect(refusal(() => derive(seed, purpose, "x"))).toMatchObject({ code: "VAULT_PURPOSE_INVALID", kind: "usage" });
    },
  );

  test("a context that is too long or has a zero byte; a seed of another length", () => {
    expect(derive(seed, "zfs", "x".repeat(1024))).toHaveLength(32);
    for (const context of ["x".repeat(1025), "a\0b"]) {
      expect(refusal(() => derive(seed, "zfs", context)).code).toBe("VAULT_PURPOSE_INVALID");
    }
    expect(refusal(() => derive(salt16, "zfs", "x")).code).toBe("VAULT_SEED_INVALID");
  });

  test("HMAC by hand agrees: no library between", () => {
    const prk = createHmac("sha256", "hsmadm-vault/v1").update(seed).digest();
    expect(derive(seed, "luks", "x")).toEqual(
      new Uint8Array(createHmac("sha256", prk).update("luks\0x\u0001").digest()),
    );
  });
});
