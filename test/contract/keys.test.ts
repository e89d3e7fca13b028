import { constants, createECDH, createPublicKey, publicEncrypt, verify } from "node:crypto";
import { describe, expect, test } from "vitest";
import type { CardChannel } from "../../src/apdu/channel.ts";
import { utf8Bytes } from "../../src/bytes/bytes.ts";
import { fromHex, toHex } from "../../src/bytes/hex.ts";
import type { InitializeSettings } from "../../src/cards/smartcard-hsm/initialize.ts";
import { algorithmIds } from "../../src/cards/smartcard-hsm/keys/algorithms.ts";
import type { TokenKey } from "../../src/cards/smartcard-hsm/keys/token-key.ts";
import { SmartCardHsm } from "../../src/cards/smartcard-hsm/smartcard-hsm.ts";
import { publicKeyDer } from "../../src/crypto/keys/public-key-formats.ts";
import { onSimulator, type Subject } from "./subject.ts";

const pin = utf8Bytes("648219");
const soPin = fromHex("3537363231383830");
const share = fromHex("000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F");
const kcv = "630DCD2966C43366";
const message = utf8Bytes("the quick brown fox");
const certificate = (key: TokenKey): Uint8Array => key.certificateBytes ?? new Uint8Array(0);

/** Counts what goes over the wire. */
function counted(channel: CardChannel): { channel: CardChannel; sent: string[] } {
  const sent: string[] = [];
  const transceive: CardChannel["transceive"] = (command, options) => {
    sent.push(toHex(command));
    return channel.transceive(command, options);
  };
  return {
    sent,
    channel: {
      ...channel,
      atr: channel.atr,
      where: channel.where,
      transceive,
      reset: () => channel.reset(),
      close: () => channel.close(),
    },
  };
}

async function opened(
  subject: Subject,
  dkek: InitializeSettings["dkek"],
): Promise<{ card: SmartCardHsm; sent: string[] }> {
  const { channel, sent } = counted(await subject.connect());
  const card = await SmartCardHsm.open(channel);
  await card.initialize({ soPin, userPin: pin, dkek });
  await card.verifyUserPin(pin);
  return { card, sent };
}

const oneShare = { kind: "shares", shares: 1 } as const;

async function verifies(card: SmartCardHsm, key: TokenKey): Promise<boolean> {
  if (key.publicKey === null) return false;
  const publicKey = createPublicKey({ key: Buffer.from(publicKeyDer(key.publicKey)), format: "der", type: "spki" });
  const scheme = key.kind === "ec" ? "ecdsa" : "pkcs1";
  return verify("sha256", message, publicKey, await card.sign(key, { scheme, hash: "sha256" }, message));
}

describe.each(["genuine", "pico"] as const)("keys on the simulator, %s profile", (profile) => {
  const withSubject = onSimulator(profile);

  test("shares make the DKEK, its check value is theirs", () =>
    withSubject(async (subject) => {
      const { card } = await opened(subject, { kind: "shares", shares: 2 });
      const other = share.map((byte) => byte ^ 0xff);
      expect(await card.importDkekShare(other)).toMatchObject({ state: "pending", outstanding: 1 });
      await card.importDkekShare(new Uint8Array(32).fill(0xff));
      expect((await card.status()).dkek).toMatchObject({ state: "complete", outstanding: 0, kcv });
      await expect(card.importDkekShare(share)).rejects.toMatchObject({ code: "SHARE_NOT_EXPECTED" });
    }));

  test("what a token without a DKEK cannot do is told", () =>
    withSubject(async (subject) => {
      const { card } = await opened(subject, { kind: "none" });
      await expect(card.importDkekShare(share)).rejects.toMatchObject({
        code: profile === "pico" ? "SHARE_NOT_EXPECTED" : "NO_DKEK",
      });
      const { ref } = await card.generateKeyPair({ type: { kind: "ec", curve: "secp256r1" }, label: "stays" });
      await expect(card.wrapKey(ref)).rejects.toMatchObject({ code: "NO_DKEK", kind: "not-supported" });
    }));

  test("keys of every kind: made, listed in 4 + 2n, used, renamed", () =>
    withSubject(async (subject) => {
      const { card } = await opened(subject, oneShare);
      await card.importDkekShare(share);
      await card.verifyUserPin(pin);
      const made: TokenKey[] = [];
      for (const curve of ["secp256r1", "secp384r1", "secp521r1", "secp256k1", "brainpoolP256r1"]) {
        made.push(await card.generateKeyPair({ type: { kind: "ec", curve }, label: curve, id: utf8Bytes(curve) }));
      }
      made.push(await card.generateKeyPair({ type: { kind: "rsa", bits: 2048 }, label: "rsa" }));
      const aes = await card.generateAesKey({ bits: 256, label: "aes" });
      const again = counted(await subject.connect());
      const reader = await SmartCardHsm.open(again.channel);
      await reader.identity();
      await reader.label();
      const keys = await reader.listKeys();
      // The AES key has no certificate to be read.
      expect(again.sent).toHaveLength(4 + 2 * 7 - 1);
      expect(keys).toEqual([...made, aes].map((key) => ({ ...key, metadata: null })));
      for (const key of keys) expect(key.problems).toEqual([]);

      await reader.verifyUserPin(pin);
      for (const key of keys.filter(({ kind }) => kind !== "aes"))
        expect(await verifies(reader, key), key.label).toBe(true);
      await reader.renameKey(2, "renamed");
      expect(await reader.findKey("renamed")).toMatchObject({ ref: 2, id: utf8Bytes("secp384r1"), curve: "secp384r1" });
    }));

  test("decryption, ECDH and AES agree with OpenSSL", () =>
    withSubject(async (subject) => {
      const { card } = await opened(subject, oneShare);
      await card.importDkekShare(share);
      await card.verifyUserPin(pin);
      const rsa = await card.generateKeyPair({ type: { kind: "rsa", bits: 2048 }, label: "rsa" });
      if (rsa.publicKey === null) throw new Error("no public key");
      const publicKey = createPublicKey({ key: Buffer.from(publicKeyDer(rsa.publicKey)), format: "der", type: "spki" });
      const { RSA_PKCS1_PADDING, RSA_PKCS1_OAEP_PADDING } = constants;
      const pkcs1 = publicEncrypt({ key: publicKey, padding: RSA_PKCS1_PADDING }, message);
      expect(toHex(await card.decrypt(rsa, { scheme: "pkcs1" }, new Uint8Array(pkcs1)))).toBe(toHex(message));
      const oaep = publicEncrypt({ key: publicKey, padding: RSA_PKCS1_OAEP_PADDING, oaepHash: "sha256" }, message);
      const scheme = { scheme: "oaep", hash: "sha256" } as const;
      expect(toHex(await card.decrypt(rsa, scheme, new Uint8Array(oaep)))).toBe(toHex(message));
      const data = { key: publicKey, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 };
      expect(verify("sha256", message, data, await card.sign(rsa, { scheme: "pss", hash: "sha256" }, message))).toBe(
        true,
      );

      const ec = await card.generateKeyPair({ type: { kind: "ec", curve: "secp256r1" }, label: "ec" });
      if (ec.publicKey?.kind !== "ec") throw new Error("no public key");
      const peer = createECDH("prime256v1");
      const secret = await card.deriveEcdh(ec, new Uint8Array(peer.generateKeys()));
      expect(toHex(secret)).toBe(toHex(peer.computeSecret(ec.publicKey.point)));

      const aes = await card.generateAesKey({ bits: 128, label: "aes" });
      const plain = new Uint8Array(2048).fill(7);
      const iv = new Uint8Array(16).fill(9);
      const sealed = await card.aesEncrypt(aes, plain, iv);
      expect(toHex(sealed)).not.toBe(toHex(plain));
      expect(toHex(await card.aesDecrypt(aes, sealed, iv))).toBe(toHex(plain));
      expect(await card.aesCmac(aes, message)).toHaveLength(16);
      expect((await card.aesDerive(aes, new Uint8Array(32))).length).toBeGreaterThan(0);
    }));

  test("limits of a key: refused on the host where the token tells them, by the token where not", () =>
    withSubject(async (subject) => {
      const { card, sent } = await opened(subject, oneShare);
      await card.importDkekShare(share);
      await card.verifyUserPin(pin);
      const algorithms = [algorithmIds["ecdsa"]];
      const key = await card.generateKeyPair({
        type: { kind: "ec", curve: "secp256r1" },
        label: "x",
        algorithms,
        useCounter: 2,
      });
      const peer = new Uint8Array(createECDH("prime256v1").generateKeys());
      const before = sent.length;
      await expect(card.deriveEcdh(key, peer)).rejects.toMatchObject({ code: "ALGORITHM_NOT_ALLOWED" });
      expect(sent).toHaveLength(before);
      await expect(card.deriveEcdh({ ...key, metadata: null }, peer)).rejects.toMatchObject({
        code: "ALGORITHM_NOT_ALLOWED",
      });
      expect(await verifies(card, key)).toBe(true);
      expect(await card.keyMetadata(key.ref)).toMatchObject({ algorithms, usesLeft: 1 });
      expect(await verifies(card, key)).toBe(true);
      await expect(verifies(card, key)).rejects.toMatchObject({ code: "KEY_USED_UP", kind: "blocked" });
      await expect(verifies(card, await card.readKey(key.ref))).rejects.toMatchObject({ code: "KEY_USED_UP" });
    }));

  test("wrapped, deleted, unwrapped: the same key again, in its place", () =>
    withSubject(async (subject) => {
      const { card } = await opened(subject, oneShare);
      await card.importDkekShare(share);
      await card.verifyUserPin(pin);
      const rsa = await card.generateKeyPair({ type: { kind: "rsa", bits: 2048 }, label: "rsa" });
      const ec = await card.generateKeyPair({ type: { kind: "ec", curve: "brainpoolP256r1" }, label: "ec" });
      const aes = await card.generateAesKey({ bits: 256, label: "aes" });
      for (const key of [rsa, ec, aes]) {
        const blob = await card.wrapKey(key.ref);
        expect(toHex(blob.subarray(0, 8))).toBe(kcv);
        await card.deleteKey(key.ref);
        await expect(card.readKey(key.ref)).rejects.toMatchObject({ code: "KEY_NOT_FOUND" });
        const flipped = blob.slice();
        flipped[blob.length - 1] = (flipped[blob.length - 1] ?? 0) ^ 1;
        await expect(card.unwrapKey(flipped)).rejects.toMatchObject({ code: "KEY_BLOB_REFUSED", kind: "check-failed" });
        expect(await card.unwrapKey(blob)).toBe(key.ref);
        await card.writeKeyDescription(key.ref, key.descriptionBytes ?? new Uint8Array(0));
        if (key.kind !== "aes") await card.writeKeyCertificate(key.ref, certificate(key));
        const restored = await card.readKey(key.ref);
        expect({ ...restored, metadata: null }).toEqual({ ...key, metadata: null });
        if (key.kind !== "aes") expect(await verifies(card, restored)).toBe(true);
      }
    }));

  test("key domains: created, filled, used, deleted when empty", () =>
    withSubject(async (subject) => {
      const { card } = await opened(subject, { kind: "key-domains", domains: 3 });
      expect(await card.createKeyDomain(1, 1)).toMatchObject({ index: 1, state: "pending" });
      await card.importDkekShare(share, 1);
      await card.verifyUserPin(pin);
      expect((await card.keyDomains())[1]).toMatchObject({ state: "complete", kcv });
      const key = await card.generateKeyPair({ type: { kind: "ec", curve: "secp256r1" }, label: "x", domain: 1 });
      expect((await card.readKey(key.ref)).metadata).toMatchObject({ domain: 1 });
      expect(toHex((await card.wrapKey(key.ref)).subarray(0, 8))).toBe(kcv);
      await expect(card.deleteKeyDomain(1)).rejects.toMatchObject({ code: "KEY_DOMAIN_NOT_EMPTY" });
      await card.deleteKey(key.ref);
      expect(await card.deleteKeyDomain(1)).toMatchObject({ state: "not-created" });
    }));

  test("nothing is made, used, wrapped or deleted without a login", () =>
    withSubject(async (subject) => {
      const { card } = await opened(subject, oneShare);
      await card.importDkekShare(share);
      await card.verifyUserPin(pin);
      const key = await card.generateKeyPair({ type: { kind: "ec", curve: "secp256r1" }, label: "x" });
      await card.logout();
      for (const work of [
        () => card.generateKeyPair({ type: { kind: "ec", curve: "secp256r1" }, label: "y" }),
        () => card.generateAesKey({ bits: 128, label: "y" }),
        () => verifies(card, key),
        () => card.wrapKey(key.ref),
        () => card.renameKey(key.ref, "y"),
        () => card.deleteKey(key.ref),
      ]) {
        await expect(work()).rejects.toMatchObject({ code: "NOT_LOGGED_IN", kind: "authentication" });
      }
      expect(await card.listKeys()).toMatchObject([{ label: "x" }]);
    }));
});
