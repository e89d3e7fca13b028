import { constants, createCipheriv, createHash, publicEncrypt, verify } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { concat, utf8Bytes } from "../../../src/bytes/bytes.ts";
import { fromHex, toHex } from "../../../src/bytes/hex.ts";
import type { KeyInUse, TokenKey } from "../../../src/cards/smartcard-hsm/keys/token-key.ts";
import { SmartCardHsm } from "../../../src/cards/smartcard-hsm/smartcard-hsm.ts";
import { curveByName } from "../../../src/crypto/curves/curves.ts";
import { publicPointOf } from "../../../src/crypto/curves/ec-keys.ts";
import { withoutOaepPadding, withoutPkcs1Padding } from "../../../src/crypto/keys/rsa-padding.ts";
import { KeyCard } from "../support/key-card.ts";

const pin = utf8Bytes("648219");
const message = utf8Bytes("the quick brown fox");
const hashes = ["sha1", "sha224", "sha256", "sha384", "sha512"] as const;

async function open(card: KeyCard): Promise<SmartCardHsm> {
  const driver = await SmartCardHsm.open(card);
  await driver.verifyUserPin(pin);
  return driver;
}

async function withKey(card: KeyCard, ref = 1): Promise<{ driver: SmartCardHsm; key: TokenKey; sent: () => string[] }> {
  const driver = await open(card);
  const key = await driver.readKey(ref);
  const before = card.sent.length;
  return { driver, key, sent: () => card.sent.slice(before) };
}

const limited = (key: KeyInUse, algorithms: readonly number[], usesLeft: number | null = null): KeyInUse => ({
  ...key,
  metadata: { algorithms, usesLeft, domain: null },
});

describe("RSA signatures verify with OpenSSL", () => {
  const card = KeyCard.loggedIn();
  const publicKey = card.addRsa(1, 2048);
  const check = (hash: string, signature: Uint8Array, pss: number | null): boolean =>
    pss === null
      ? verify(hash, message, publicKey, signature)
      : verify(hash, message, { key: publicKey, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: pss }, signature);

  test.each(hashes)("PKCS#1 with %s, hashed on the host, in one exchange", async (hash) => {
    const { driver, key, sent } = await withKey(card);
    const signature = await driver.sign(key, { scheme: "pkcs1", hash }, message);
    expect(check(hash, signature, null)).toBe(true);
    expect(sent()).toHaveLength(1);
    expect(sent()[0]).toMatch(/^80680130/);
    const digest = new Uint8Array(createHash(hash).update(message).digest());
    const again = await driver.sign(key, { scheme: "pkcs1", hash, digest: true }, digest);
    expect(toHex(again)).toBe(toHex(signature));
    // The list permits nothing but the raw operation: the host pads.
    const raw = await driver.sign(limited(key, [0x20]), { scheme: "pkcs1", hash }, message);
    expect(toHex(raw)).toBe(toHex(signature));
    expect(card.sent.at(-1)).toMatch(/^80680120000100 ?0001FFFF/);
  });

  test("hashed on the card where the list permits only that", async () => {
    const { driver, key } = await withKey(card);
    const pkcs1 = await driver.sign(limited(key, [0x33]), { scheme: "pkcs1", hash: "sha256" }, message);
    expect(check("sha256", pkcs1, null)).toBe(true);
    const pss = await driver.sign(limited(key, [0x43]), { scheme: "pss", hash: "sha256" }, message);
    expect(check("sha256", pss, 32)).toBe(true);
    expect(card.sent.at(-1)).toContain(toHex(message));
  });

  test.each([
    ["a digest of another length", { scheme: "pkcs1", hash: "sha256", digest: true }, new Uint8Array(20), null],
    ["a raw block of another length", { scheme: "raw" }, new Uint8Array(255), null],
    ["a long message to be hashed on the card", { scheme: "pss", hash: "sha256" }, new Uint8Array(1001), [0x43]],
  ] as const)("refused before sending: %s", async (_, scheme, input, list) => {
    const { driver, key, sent } = await withKey(card);
    const used = list === null ? key : limited(key, list);
    await expect(driver.sign(used, scheme, input)).rejects.toMatchObject({ code: "KEY_INPUT_INVALID", kind: "usage" });
    expect(sent()).toEqual([]);
  });

  test("refused before sending: not in the list, used up, no RSA key", async () => {
    const { driver, key, sent } = await withKey(card);
    const scheme = { scheme: "pss", hash: "sha256" } as const;
    await expect(driver.sign(limited(key, [0x30, 0x21]), scheme, message)).rejects.toMatchObject({
      code: "ALGORITHM_NOT_ALLOWED",
      kind: "not-supported",
      message: expect.stringContaining("rsa-pss"),
      advice: expect.stringContaining("rsa-pkcs1, rsa-raw-decrypt"),
    });
    await expect(driver.sign(limited(key, [0x40], 0), scheme, message)).rejects.toMatchObject({
      code: "KEY_USED_UP",
      kind: "blocked",
    });
    await expect(driver.sign({ ...key, kind: "ec" }, scheme, message)).rejects.toMatchObject({
      code: "KEY_KIND_WRONG",
    });
    await expect(driver.sign(key, { scheme: "ecdsa", hash: "sha256" }, message)).rejects.toMatchObject({
      code: "KEY_KIND_WRONG",
    });
    await expect(driver.sign({ ...key, ref: 0 }, scheme, message)).rejects.toMatchObject({
      code: "KEY_REFERENCE_INVALID",
    });
    expect(sent()).toEqual([]);
  });

  test.each([
    ["6982", "NOT_LOGGED_IN", "authentication"],
    ["6A82", "KEY_NOT_FOUND", "usage"],
    ["6984", "KEY_USED_UP", "blocked"],
    ["6A84", "KEY_USED_UP", "blocked"],
    ["6A81", "ALGORITHM_NOT_ALLOWED", "not-supported"],
    ["6985", "ALGORITHM_NOT_ALLOWED", "not-supported"],
    ["6600", "KEY_USE_NOT_CONFIRMED", "cancelled"],
    ["6700", "KEY_INPUT_REFUSED", "usage"],
    ["AABB9000", "KEY_ANSWER_INVALID", "check-failed"],
    ["9000", "KEY_ANSWER_INVALID", "check-failed"],
  ])("the card answers %s: %s", async (answer, code, kind) => {
    const { driver, key } = await withKey(card);
    card.nextAnswer = fromHex(answer);
    await expect(driver.sign(key, { scheme: "pkcs1", hash: "sha256" }, message)).rejects.toMatchObject({ code, kind });
  });
});

describe("ECDSA answers", () => {
  const card = KeyCard.loggedIn();
  card.addEc(1);
  const scheme = { scheme: "ecdsa", hash: "sha512" } as const;

  test("more zeros than DER allows are taken away; a digest longer than the order is cut", async () => {
    const { driver, key } = await withKey(card);
    card.nextAnswer = fromHex(`3046022100${"00".repeat(1)}${"7F".repeat(31)}022100${"01".repeat(32)}9000`);
    expect(toHex(await driver.sign(key, scheme, message))).toBe(`3043021F${"7F".repeat(31)}0220${"01".repeat(32)}`);
    const digest = toHex(createHash("sha512").update(message).digest()).slice(0, 64);
    expect(card.sent.at(-1)).toBe(`80680170000020${digest}0200`);
  });

  test.each([
    "9000",
    "30009000",
    "3006020101020101FF9000",
    "300602010102018F9000",
    `3025022101${"00".repeat(32)}0200 9000`,
  ])("%s is no signature", async (answer) => {
    const { driver, key } = await withKey(card);
    card.nextAnswer = fromHex(answer);
    await expect(driver.sign(key, scheme, message)).rejects.toMatchObject({ kind: "check-failed" });
  });
});

describe("RSA decryption", () => {
  const card = KeyCard.loggedIn();
  const publicKey = card.addRsa(1, 1024);
  const { RSA_PKCS1_PADDING, RSA_PKCS1_OAEP_PADDING } = constants;

  test("of what OpenSSL encrypted, whatever the length", async () => {
    const { driver, key } = await withKey(card);
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 62 }), async (plaintext) => {
        const pkcs1 = publicEncrypt({ key: publicKey, padding: RSA_PKCS1_PADDING }, plaintext);
        expect(toHex(await driver.decrypt(key, { scheme: "pkcs1" }, new Uint8Array(pkcs1)))).toBe(toHex(plaintext));
        const padding = RSA_PKCS1_OAEP_PADDING;
        const oaep = publicEncrypt({ key: publicKey, padding, oaepHash: "sha256" }, plaintext);
        const scheme = { scheme: "oaep", hash: "sha256" } as const;
        expect(toHex(await driver.decrypt(key, scheme, new Uint8Array(oaep)))).toBe(toHex(plaintext));
      }),
      { numRuns: 40 },
    );
  });

  test("OAEP with SHA-1 and a label, and by the card where the list wants it", async () => {
    const { driver, key } = await withKey(card);
    const label = utf8Bytes("vault");
    const padding = RSA_PKCS1_OAEP_PADDING;
    const sha1 = publicEncrypt({ key: publicKey, padding, oaepHash: "sha1", oaepLabel: label }, message);
    const scheme = { scheme: "oaep", hash: "sha1", label } as const;
    expect(toHex(await driver.decrypt(key, scheme, new Uint8Array(sha1)))).toBe(toHex(message));
    const other = { ...scheme, label: utf8Bytes("other") };
    await expect(driver.decrypt(key, other, new Uint8Array(sha1))).rejects.toMatchObject({ code: "DECRYPTION_FAILED" });
    const sha256 = publicEncrypt({ key: publicKey, padding, oaepHash: "sha256" }, message);
    const byCard = limited(key, [0x23]);
    const plain = await driver.decrypt(byCard, { scheme: "oaep", hash: "sha256" }, new Uint8Array(sha256));
    expect(toHex(plain)).toBe(toHex(message));
    await expect(driver.decrypt(byCard, scheme, new Uint8Array(sha1))).rejects.toMatchObject({
      code: "ALGORITHM_NOT_ALLOWED",
    });
  });

  test("a block whose leading zeros the card drops", async () => {
    const { driver, key } = await withKey(card);
    card.nextAnswer = concat(fromHex("02"), new Uint8Array(122).fill(7), fromHex("00414243"), fromHex("9000"));
    const plain = await driver.decrypt(key, { scheme: "pkcs1" }, new Uint8Array(128));
    expect(toHex(plain)).toBe("414243");
  });

  test("refused before sending: another length, a number above the modulus", async () => {
    const { driver, key, sent } = await withKey(card);
    for (const ciphertext of [new Uint8Array(127), new Uint8Array(129), new Uint8Array(128).fill(0xff)]) {
      await expect(driver.decrypt(key, { scheme: "pkcs1" }, ciphertext)).rejects.toMatchObject({
        code: "KEY_INPUT_INVALID",
      });
    }
    expect(sent()).toEqual([]);
  });

  test("whatever is wrong with the padding is one error, and nothing of the block is told", () => {
    const failed = expect.objectContaining({ code: "DECRYPTION_FAILED", kind: "check-failed" });
    const block = (...parts: string[]): Uint8Array => fromHex(parts.join(""));
    for (const bad of [
      block("0001", "07".repeat(20), "0041"),
      block("0102", "07".repeat(20), "0041"),
      block("0002", "07".repeat(7), "0041"),
      block("0002", "07".repeat(30)),
      new Uint8Array(0),
    ]) {
      expect(() => withoutPkcs1Padding(bad)).toThrow(failed);
    }
    expect(toHex(withoutPkcs1Padding(block("0002", "07".repeat(8), "00")))).toBe("");
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 140 }), fc.constantFrom(...hashes), (bytes, hash) => {
        expect(() => withoutOaepPadding(bytes, hash, new Uint8Array(0))).toThrow(failed);
      }),
    );
  });
});

describe("ECDH", () => {
  test.each([
    ["secp256r1", true],
    ["secp256r1", false],
    ["secp384r1", true],
    ["secp521r1", false],
    ["brainpoolP256r1", true],
    ["secp256k1", false],
  ])("%s, Y in the answer: %s", async (name, withY) => {
    const card = KeyCard.loggedIn();
    card.addEc(1, name);
    card.ecdhWithY = withY;
    const { driver, key } = await withKey(card);
    const curve = curveByName(name);
    if (curve === undefined || key.publicKey?.kind !== "ec") throw new Error("no curve");
    const scalar = concat(new Uint8Array(curve.orderBytes - 1), Uint8Array.of(1));
    // The other key is 1·G: the secret is the X of our own public key.
    const secret = await driver.deriveEcdh(key, publicPointOf(curve, scalar));
    expect(toHex(secret)).toBe(toHex(key.publicKey.point.subarray(1, 1 + curve.fieldBytes)));
  });

  test("a point that is not on the curve never leaves the host", async () => {
    const card = KeyCard.loggedIn();
    card.addEc(1);
    const { driver, key, sent } = await withKey(card);
    const good = key.publicKey?.kind === "ec" ? key.publicKey.point : new Uint8Array(0);
    await fc.assert(
      fc.asyncProperty(fc.nat(8 * good.length - 1), async (bit) => {
        const bad = good.slice();
        bad[bit >> 3] = (bad[bit >> 3] ?? 0) ^ (1 << (bit & 7));
        await expect(driver.deriveEcdh(key, bad)).rejects.toMatchObject({ code: "KEY_INPUT_INVALID" });
      }),
    );
    for (const bad of [
      new Uint8Array(0),
      good.subarray(0, 33),
      concat(good, good),
      concat(fromHex("04"), new Uint8Array(64)),
    ]) {
      await expect(driver.deriveEcdh(key, bad)).rejects.toMatchObject({ code: "KEY_INPUT_INVALID" });
    }
    await expect(driver.deriveEcdh({ ...key, curve: null }, good)).rejects.toMatchObject({ code: "KEY_CURVE_UNKNOWN" });
    expect(sent()).toEqual([]);
  });

  test.each([`05${"01".repeat(64)}9000`, `04${"01".repeat(31)}9000`, "9000"])("%s is no point", async (answer) => {
    const card = KeyCard.loggedIn();
    card.addEc(1);
    const { driver, key } = await withKey(card);
    card.nextAnswer = fromHex(answer);
    const point = key.publicKey?.kind === "ec" ? key.publicKey.point : new Uint8Array(0);
    await expect(driver.deriveEcdh(key, point)).rejects.toMatchObject({ code: "KEY_ANSWER_INVALID" });
  });
});

describe("AES", () => {
  const secret = fromHex("000102030405060708090A0B0C0D0E0F");
  const card = KeyCard.loggedIn();
  card.add(3, { kind: "aes", key: secret });
  card.algorithms.set(3, fromHex("10111899"));

  test("CBC over any number of commands and with any IV is OpenSSL's", async () => {
    const { driver, key } = await withKey(card, 3);
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 200 }),
        fc.uint8Array({ minLength: 16, maxLength: 16 }),
        fc.integer({ min: 0, max: 255 }),
        async (blocks, iv, fill) => {
          const plain = Uint8Array.from({ length: 16 * blocks }, (_, i) => (i * 7 + fill) & 0xff);
          const cipher = createCipheriv("aes-128-cbc", secret, iv).setAutoPadding(false);
          const expected = toHex(cipher.update(plain));
          const encrypted = await driver.aesEncrypt(key, plain, iv);
          expect(toHex(encrypted)).toBe(expected);
          expect(toHex(await driver.aesDecrypt(key, encrypted, iv))).toBe(toHex(plain));
        },
      ),
      { numRuns: 30 },
    );
    expect(Math.max(...card.sent.map((hex) => hex.length / 2))).toBeLessThan(1010);
  });

  test("CMAC and derivation go in one command", async () => {
    const { driver, key, sent } = await withKey(card, 3);
    expect(await driver.aesCmac(key, message)).toHaveLength(16);
    expect(await driver.aesDerive(key, message)).toHaveLength(32);
    expect(sent().map((hex) => hex.slice(0, 8))).toEqual(["80780318", "80780399"]);
  });

  test("refused before sending", async () => {
    const { driver, key, sent } = await withKey(card, 3);
    const invalid = { code: "KEY_INPUT_INVALID", kind: "usage" };
    await expect(driver.aesEncrypt(key, new Uint8Array(15))).rejects.toMatchObject(invalid);
    await expect(driver.aesDecrypt(key, new Uint8Array(0))).rejects.toMatchObject(invalid);
    await expect(driver.aesEncrypt(key, new Uint8Array(16), new Uint8Array(12))).rejects.toMatchObject(invalid);
    await expect(driver.aesCmac(key, new Uint8Array(1001))).rejects.toMatchObject(invalid);
    await expect(driver.aesDerive(key, new Uint8Array(0))).rejects.toMatchObject(invalid);
    await expect(driver.aesCmac(limited(key, [0x10]), message)).rejects.toMatchObject({
      code: "ALGORITHM_NOT_ALLOWED",
    });
    expect(sent()).toEqual([]);
  });

  test.each(["9000", "AABB9000"])("%s is no result", async (answer) => {
    const { driver, key } = await withKey(card, 3);
    for (const use of [
      () => driver.aesEncrypt(key, new Uint8Array(32)),
      () => driver.aesDecrypt(key, new Uint8Array(32)),
      () => driver.aesCmac(key, message),
    ]) {
      card.nextAnswer = fromHex(answer);
      await expect(use()).rejects.toMatchObject({ code: "KEY_ANSWER_INVALID" });
    }
  });
});
