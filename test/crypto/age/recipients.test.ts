import { constants, createECDH, generateKeyPairSync, privateDecrypt, publicEncrypt } from "node:crypto";
import { Decrypter, Encrypter, generateIdentity, identityToRecipient } from "age-encryption";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { concat, utf8Bytes, utf8Text } from "../../../src/bytes/bytes.ts";
import { openAgeFile, sealAgeFile } from "../../../src/crypto/age/age-file.ts";
import { decodeBase64, encodeBase64 } from "../../../src/crypto/age/base64.ts";
import { encodeBech32 } from "../../../src/crypto/age/bech32.ts";
import {
  formatP256TagRecipient,
  p256TagMatches,
  parseP256TagRecipient,
  unwrapP256Tag,
  wrapP256Tag,
} from "../../../src/crypto/age/p256tag.ts";
import { unwrapScrypt, wrapScrypt } from "../../../src/crypto/age/scrypt.ts";
import { sshRsaMatches, sshRsaTag, unwrapSshRsa, wrapSshRsa } from "../../../src/crypto/age/ssh-rsa.ts";
import type { Stanza } from "../../../src/crypto/age/stanza.ts";
import {
  formatX25519Recipient,
  newX25519Identity,
  parseX25519Identity,
  parseX25519Recipient,
  unwrapX25519,
  wrapX25519,
} from "../../../src/crypto/age/x25519.ts";
import { flipped, refusal, refusalOf } from "../refusal.ts";
import { bytes, fileKey } from "./arbitraries.ts";

const key = Uint8Array.from({ length: 16 }, (_, i) => i + 1);

async function collected(source: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  for await (const part of source) parts.push(part);
  return concat(...parts);
}

/** The plaintext of a file that age-encryption made. */
async function opened(file: Uint8Array, unwrap: (stanza: Stanza) => Promise<Uint8Array | null> | Uint8Array | null) {
  const { payload } = await openAgeFile([file], async ([stanza]) =>
    stanza === undefined ? null : await unwrap(stanza),
  );
  return utf8Text(await collected(payload));
}

async function sealed(stanza: Stanza, text: string): Promise<Uint8Array> {
  return await collected(sealAgeFile([stanza], key, [utf8Bytes(text)]));
}

describe("X25519", () => {
  const { identity, recipient } = newX25519Identity();
  const { secret, publicKey } = parseX25519Identity(identity);

  test("keys are spelled as age spells them", async () => {
    expect(identity).toMatch(/^AGE-SECRET-KEY-1[02-9AC-HJ-NP-Z]{58}$/);
    expect(recipient).toBe(await identityToRecipient(identity));
    expect(parseX25519Recipient(recipient)).toEqual(publicKey);
    expect(formatX25519Recipient(publicKey)).toBe(recipient);
    const theirs = await generateIdentity();
    expect(formatX25519Recipient(parseX25519Identity(theirs).publicKey)).toBe(await identityToRecipient(theirs));
  });

  test("age-encryption opens ours, and we open theirs", async () => {
    const decrypter = new Decrypter();
    decrypter.addIdentity(identity);
    expect(await decrypter.decrypt(await sealed(wrapX25519(key, publicKey), "out"), "text")).toBe("out");
    const encrypter = new Encrypter();
    encrypter.addRecipient(recipient);
    expect(await opened(await encrypter.encrypt("in"), (stanza) => unwrapX25519(stanza, secret))).toBe("in");
  });

  test("another key, another type: not for this one; one bit changed: nothing", () => {
    fc.assert(
      fc.property(fileKey, bytes(32, 32), bytes(32, 32), (k, ephemeral, other) => {
        const stanza = wrapX25519(k, publicKey, ephemeral);
        expect(unwrapX25519(stanza, secret)).toEqual(k);
        expect(unwrapX25519(stanza, other)).toBeNull();
        expect(unwrapX25519({ ...stanza, type: "x25519" }, secret)).toBeNull();
        expect(unwrapX25519({ ...stanza, body: flipped(stanza.body, 20) }, secret)).toBeNull();
      }),
      { numRuns: 20 },
    );
  });

  test("malformed stanzas are refused", () => {
    const good = wrapX25519(key, publicKey);
    const share = good.args[0] ?? "";
    for (const bad of [
      { ...good, args: [] },
      { ...good, args: [share, "more"] },
      { ...good, args: [share.slice(1)] },
      { ...good, args: [encodeBase64(new Uint8Array(32))] },
      { ...good, args: [encodeBase64(new Uint8Array(33))] },
      { ...good, body: good.body.subarray(1) },
      { ...good, body: concat(good.body, good.body) },
    ]) {
      expect(refusal(() => unwrapX25519(bad, secret)).code).toBe("AGE_FILE_INVALID");
    }
    expect(refusal(() => wrapX25519(key, new Uint8Array(32))).code).toBe("AGE_KEY_INVALID");
  });

  test("texts with a slip are refused without being repeated", () => {
    const slip = identity.replace(/.$/, (last) => (last === "Q" ? "P" : "Q"));
    const others = [identity.toLowerCase(), `${identity} `, slip, recipient, "", "AGE-SECRET-KEY-1", "1"];
    for (const text of [...others, encodeBech32("age-secret-key-", new Uint8Array(31)).toUpperCase()]) {
      const error = refusal(() => parseX25519Identity(text));
      expect([error.code, error.kind]).toEqual(["AGE_KEY_INVALID", "usage"]);
      expect(JSON.stringify([error.message, error.advice, error.cause])).not.toContain(identity.slice(20, 50));
    }
    for (const text of [recipient.toUpperCase(), identity, "age1", encodeBech32("age1tag", publicKey)]) {
      expect(refusal(() => parseX25519Recipient(text)).code).toBe("AGE_KEY_INVALID");
    }
  });
});

describe("p256tag", () => {
  const card = createECDH("prime256v1");
  card.generateKeys();
  const point = new Uint8Array(card.getPublicKey());
  const compressed = new Uint8Array(card.getPublicKey(null, "compressed"));
  let asked = 0;
  const agree = async (enc: Uint8Array): Promise<Uint8Array> => {
    asked++;
    return new Uint8Array(card.computeSecret(enc));
  };
  const notAsked = async (): Promise<Uint8Array> => {
    throw new Error("the card was asked");
  };

  test("recipients are spelled as age spells them, from either form of the point", () => {
    const text = formatP256TagRecipient(point);
    expect(text).toMatch(/^age1tag1q/);
    expect(text).toBe(encodeBech32("age1tag", compressed));
    expect(formatP256TagRecipient(compressed)).toBe(text);
    expect(parseP256TagRecipient(text)).toEqual(point);
    for (const bad of [text.toUpperCase(), text.slice(0, -1), encodeBech32("age1tag", point)]) {
      expect(refusal(() => parseP256TagRecipient(bad)).code).toBe("AGE_KEY_INVALID");
    }
    const offCurve = encodeBech32("age1tag", Uint8Array.of(2, ...new Uint8Array(32).fill(255)));
    expect(refusal(() => parseP256TagRecipient(offCurve)).code).toBe("AGE_KEY_INVALID");
  });

  test("we open what age-encryption made for age1tag1…", async () => {
    const encrypter = new Encrypter();
    encrypter.addRecipient(formatP256TagRecipient(point));
    const file = await encrypter.encrypt("to a card");
    asked = 0;
    const text = await opened(file, async (stanza) => {
      expect(p256TagMatches(stanza, point)).toBe(true);
      return await unwrapP256Tag(stanza, compressed, agree);
    });
    expect([text, asked]).toEqual(["to a card", 1]);
  });

  test("what we wrap we open, and only with that key", async () => {
    const other = createECDH("prime256v1");
    other.generateKeys();
    const stanza = wrapP256Tag(key, compressed);
    expect(stanza.args.map((text) => decodeBase64(text)?.length)).toEqual([4, 65]);
    expect(await unwrapP256Tag(stanza, point, agree)).toEqual(key);
    const theirs = new Uint8Array(other.getPublicKey());
    expect(p256TagMatches(stanza, theirs)).toBe(false);
    expect((await refusalOf(unwrapP256Tag(stanza, theirs, notAsked))).code).toBe("AGE_STANZA_WRONG_KEY");
    const mistaken = async (enc: Uint8Array): Promise<Uint8Array> => new Uint8Array(other.computeSecret(enc));
    expect((await refusalOf(unwrapP256Tag(stanza, point, mistaken))).code).toBe("AGE_STANZA_WRONG_KEY");
  });

  test("malformed stanzas are refused before the card is asked", async () => {
    const good = wrapP256Tag(key, point);
    const [tag = "", enc = ""] = good.args;
    const encBytes = decodeBase64(enc) ?? new Uint8Array(0);
    const withEnc = (changed: Uint8Array): Stanza => ({ ...good, args: [tag, encodeBase64(changed)] });
    for (const bad of [
      { ...good, args: [] },
      { ...good, args: [tag] },
      { ...good, args: [tag, enc, enc] },
      { ...good, args: [encodeBase64(new Uint8Array(5)), enc] },
      { ...good, body: good.body.subarray(1) },
      { ...good, body: concat(good.body, Uint8Array.of(0)) },
      withEnc(flipped(encBytes, 64)),
      withEnc(flipped(encBytes, 0)),
      withEnc(compressed),
      withEnc(Uint8Array.of(0)),
      withEnc(concat(Uint8Array.of(4), new Uint8Array(64))),
      withEnc(concat(Uint8Array.of(4), new Uint8Array(64).fill(255))),
      withEnc(concat(Uint8Array.of(6 + ((encBytes[64] ?? 0) & 1)), encBytes.subarray(1))),
    ]) {
      expect((await refusalOf(unwrapP256Tag(bad, point, notAsked))).code).toBe("AGE_FILE_INVALID");
      expect(refusal(() => p256TagMatches(bad, point)).code).toBe("AGE_FILE_INVALID");
    }
    expect(p256TagMatches({ ...good, type: "P256TAG" }, point)).toBe(false);
    expect(refusal(() => p256TagMatches(good, new Uint8Array(65))).code).toBe("POINT_INVALID");
  });

  test("a shared secret of zeros is refused, one of another length is a mistake of ours, and both are wiped", async () => {
    const stanza = wrapP256Tag(key, point);
    const zeros = refusalOf(unwrapP256Tag(stanza, point, async () => new Uint8Array(32)));
    expect((await zeros).code).toBe("AGE_FILE_INVALID");
    await expect(unwrapP256Tag(stanza, point, async () => new Uint8Array(65))).rejects.toThrow("32 bytes, not 65");
    let secret = new Uint8Array(0);
    await unwrapP256Tag(stanza, point, async (enc) => {
      secret = new Uint8Array(card.computeSecret(enc));
      return secret;
    });
    expect(secret).toEqual(new Uint8Array(32));
  });
});

describe("ssh-rsa", () => {
  const pair = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const { n = "", e = "" } = pair.publicKey.export({ format: "jwk" });
  const rsa = { modulus: fromBase64Url(n), exponent: fromBase64Url(e) };
  const raw = async (ciphertext: Uint8Array): Promise<Uint8Array> =>
    new Uint8Array(privateDecrypt({ key: pair.privateKey, padding: constants.RSA_NO_PADDING }, ciphertext));
  const notAsked = async (): Promise<Uint8Array> => {
    throw new Error("the card was asked");
  };

  test("what we wrap we open, whatever zeros stand before the numbers", async () => {
    const padded = {
      modulus: concat(Uint8Array.of(0), rsa.modulus),
      exponent: concat(new Uint8Array(2), rsa.exponent),
    };
    expect(sshRsaTag(padded)).toEqual(sshRsaTag(rsa));
    for (const mine of [rsa, padded]) {
      const stanza = wrapSshRsa(key, mine);
      expect(stanza.body).toHaveLength(256);
      expect(sshRsaMatches(stanza, rsa)).toBe(true);
      expect(await unwrapSshRsa(stanza, rsa, raw)).toEqual(key);
    }
  });

  test("whatever is wrong inside the block is one and the same refusal", async () => {
    const good = wrapSshRsa(key, rsa);
    const block = await raw(good.body);
    const refusals = new Set<string>();
    const wrongs = [
      ...Array.from({ length: 60 }, (_, i) => flipped(block, i * 4)),
      block.subarray(1),
      new Uint8Array(256),
    ];
    for (const wrong of wrongs) {
      const error = await refusalOf(unwrapSshRsa(good, rsa, async () => wrong.slice()));
      refusals.add(error.code);
    }
    const long = wrapSshRsa(new Uint8Array(17), rsa);
    const oaep = { key: pair.publicKey, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: "sha256" };
    const otherLabel = publicEncrypt({ ...oaep, oaepLabel: utf8Bytes("age-encryption.org/v1/rsa") }, key);
    const noLabel = publicEncrypt(oaep, key);
    const pkcs1 = publicEncrypt({ key: pair.publicKey, padding: constants.RSA_PKCS1_PADDING }, key);
    for (const body of [long.body, otherLabel, noLabel, pkcs1]) {
      refusals.add((await refusalOf(unwrapSshRsa({ ...good, body }, rsa, raw))).code);
    }
    expect([...refusals]).toEqual(["DECRYPTION_FAILED"]);
  });

  test("another key's, malformed ones and impossible numbers are refused before the card is asked", async () => {
    const good = wrapSshRsa(key, rsa);
    const other = { ...rsa, exponent: Uint8Array.of(3) };
    expect(sshRsaMatches(good, other)).toBe(false);
    expect((await refusalOf(unwrapSshRsa(good, other, notAsked))).code).toBe("DECRYPTION_FAILED");
    for (const bad of [
      { ...good, args: [] },
      { ...good, args: [...good.args, "more"] },
      { ...good, args: [encodeBase64(new Uint8Array(3))] },
      { ...good, body: good.body.subarray(1) },
      { ...good, body: good.body.subarray(0, 255) },
      { ...good, body: concat(Uint8Array.of(0), good.body) },
      { ...good, body: concat(good.body, Uint8Array.of(0)) },
      { ...good, body: rsa.modulus },
      { ...good, body: new Uint8Array(256).fill(255) },
    ]) {
      expect((await refusalOf(unwrapSshRsa(bad, rsa, notAsked))).code).toBe("AGE_FILE_INVALID");
    }
    expect(sshRsaMatches({ ...good, type: "ssh-ed25519" }, rsa)).toBe(false);
  });

  test("keys below 2048 bits are not wrapped for", () => {
    const short = { ...rsa, modulus: rsa.modulus.subarray(128) };
    expect(refusal(() => wrapSshRsa(key, short)).kind).toBe("not-supported");
  });
});

describe("scrypt", () => {
  const passphrase = utf8Bytes("correct horse, Straße");

  test("age-encryption opens ours, and we open theirs", async () => {
    const file = await sealed(await wrapScrypt(key, passphrase, { workFactor: 10 }), "out");
    const decrypter = new Decrypter();
    decrypter.addPassphrase("correct horse, Straße");
    expect(await decrypter.decrypt(file, "text")).toBe("out");
    const encrypter = new Encrypter();
    encrypter.setScryptWorkFactor(10);
    encrypter.setPassphrase("correct horse, Straße");
    expect(await opened(await encrypter.encrypt("in"), (stanza) => unwrapScrypt(stanza, passphrase))).toBe("in");
  });

  test("another passphrase: not this one; too much work: refused, and said how much is allowed", async () => {
    const stanza = await wrapScrypt(key, passphrase, { workFactor: 4 });
    expect(await unwrapScrypt(stanza, utf8Bytes("correct horse"))).toBeNull();
    expect(await unwrapScrypt({ ...stanza, type: "SCRYPT" }, passphrase)).toBeNull();
    const [salt = ""] = stanza.args;
    for (const factor of ["21", "22", "99999999999999999999"]) {
      const error = await refusalOf(unwrapScrypt({ ...stanza, args: [salt, factor] }, passphrase));
      expect([error.code, error.kind]).toEqual(["AGE_WORK_FACTOR", "refused"]);
      expect(error.message).toContain("above 20");
    }
    expect((await refusalOf(unwrapScrypt(stanza, passphrase, 3))).code).toBe("AGE_WORK_FACTOR");
  });
});

function fromBase64Url(text: string): Uint8Array {
  return decodeBase64(text.replaceAll("-", "+").replaceAll("_", "/")) ?? new Uint8Array(0);
}
