import { createPublicKey, verify } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { utf8Bytes } from "../../src/bytes/bytes.ts";
import { fromHex, toHex } from "../../src/bytes/hex.ts";
import { encodeTlv } from "../../src/bytes/tlv.ts";
import type { InitializeSettings } from "../../src/cards/smartcard-hsm/initialize.ts";
import type { TokenKey } from "../../src/cards/smartcard-hsm/keys/token-key.ts";
import type { SmartCardHsm } from "../../src/cards/smartcard-hsm/smartcard-hsm.ts";
import { readBackupFile, writeBackupFile } from "../../src/crypto/backup/backup-file.ts";
import type { BackupManifest } from "../../src/crypto/backup/backup-manifest.ts";
import { verifyBackup } from "../../src/crypto/backup/backup-verify.ts";
import { publicKeyDer } from "../../src/crypto/keys/public-key-formats.ts";
import { deriveDkekKeys } from "../../src/crypto/shares/dkek.ts";
import { HsmError } from "../../src/errors.ts";
import { backupWarnings, collectBackup, previewBackup } from "../../src/services/backup/backup.ts";
import { planRestore, restoreMark } from "../../src/services/backup/backup-plan.ts";
import { type RestoreOutcome, runRestore } from "../../src/services/backup/backup-restore.ts";
import { repeatableWorld } from "../../src/simulator/repeatable-world.ts";
import { SimulatedToken } from "../../src/simulator/simulator.ts";
import { openOn, PulledCard, type PulledWhen } from "./pulled-card.ts";

const pin = utf8Bytes("648219");
const soPin = fromHex("3537363231383830");
const share = fromHex("000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F");
const kcv = "630DCD2966C43366";
const dkek = deriveDkekKeys(share);
const facts = { created: "2026-11-20T12:00:00.000Z", createdBy: "hsmadm 0.0.0", simulated: true };
const message = utf8Bytes("the quick brown fox");
const profiles = ["genuine", "pico"] as const;
type Profile = (typeof profiles)[number];

const oneShare: InitializeSettings["dkek"] = { kind: "shares", shares: 1 };

/** A token with this DKEK and nothing else. @param name makes its device key its own */
async function empty(profile: Profile, name: string, dkekOf: InitializeSettings["dkek"] = oneShare, shares = [share]) {
  const token = SimulatedToken.create(repeatableWorld(name), { profile });
  const card = await openOn(new PulledCard(token));
  await card.initialize({ soPin, userPin: pin, dkek: dkekOf });
  await card.verifyUserPin(pin);
  for (const one of shares) await card.importDkekShare(one);
  return token;
}

async function loggedIn(channel: PulledCard): Promise<SmartCardHsm> {
  const card = await openOn(channel);
  await card.verifyUserPin(pin);
  return card;
}

const open = async (token: SimulatedToken) => loggedIn(new PulledCard(token));
const authority = fromHex("30030101FF");
const description = fromHex("30030101EE");

/** RSA, EC, AES, one of each with what else there can be; made once for each profile, tests take copies. */
async function full(profile: Profile): Promise<SimulatedToken> {
  const token = await empty(profile, `full ${profile}`);
  const card = await open(token);
  await card.writeLabel("full");
  await card.generateKeyPair({ type: { kind: "ec", curve: "secp256r1" }, label: "signing", id: fromHex("A1") });
  await card.generateKeyPair({ type: { kind: "rsa", bits: 1024 }, label: "décrypter" });
  await card.generateAesKey({ bits: 192, label: "aes" });
  await card.writeFile(0xca05, authority);
  await card.writeFile(0xc805, description);
  await card.writeFile(0xcf06, utf8Bytes("public"));
  await card.writeFile(0xc906, description);
  return token;
}

const backups = new Map<Profile, BackupManifest>();
async function backupOf(profile: Profile): Promise<BackupManifest> {
  const known = backups.get(profile) ?? (await collectBackup(await open(await full(profile)), facts));
  backups.set(profile, known);
  return known;
}

async function restore(card: SmartCardHsm, manifest: BackupManifest, replace = false): Promise<RestoreOutcome> {
  return runRestore(card, await planRestore(card, manifest, replace));
}

async function signs(card: SmartCardHsm, key: TokenKey): Promise<boolean> {
  if (key.publicKey === null) return false;
  const der = Buffer.from(publicKeyDer(key.publicKey));
  const signature = await card.sign(key, { scheme: key.kind === "ec" ? "ecdsa" : "pkcs1", hash: "sha256" }, message);
  return verify("sha256", message, createPublicKey({ key: der, format: "der", type: "spki" }), signature);
}

/** Whole keys, each with its own name and certificate, and those of RSA and EC sign. */
async function expectWhole(token: SimulatedToken, manifest: BackupManifest): Promise<void> {
  const card = await open(token);
  const keys = await card.listKeys();
  expect(keys.map(({ ref }) => ref)).toEqual(manifest.keys.map(({ reference }) => reference));
  for (const [i, key] of keys.entries()) {
    const entry = manifest.keys[i];
    expect([key.label, toHex(key.id), key.kind, key.problems]).toEqual([entry?.label, entry?.id, entry?.kind, []]);
    expect(key.descriptionBytes).toEqual(entry?.description);
    expect(key.certificateBytes).toEqual(entry?.certificate);
    if (key.kind !== "aes") expect(await signs(card, key), key.label).toBe(true);
  }
  const files = await card.listFiles();
  for (const { fid, content } of manifest.files) expect(await card.readFile(Number.parseInt(fid, 16))).toEqual(content);
  // Nothing else lies about: no mark of an AES key, no description without its key.
  const refs = new Set(keys.map(({ ref }) => ref));
  const beside = files.filter((fid) => [0xc4, 0xce].includes(fid >> 8) && (fid & 0xff) !== 0);
  expect(beside.filter((fid) => !refs.has(fid & 0xff))).toEqual([]);
  for (const { ref } of keys.filter(({ kind }) => kind === "aes")) {
    await expect(card.readFile(0xce00 + ref)).rejects.toMatchObject({ code: "FILE_NOT_FOUND" });
  }
}

/** An X.509 certificate as far as anybody looks: of this key, and longer than a card takes in one command. */
function longCertificate(publicKeyInfo: Uint8Array): Uint8Array {
  const algorithm = encodeTlv(0x30, fromHex("06082A8648CE3D040302"));
  const name = encodeTlv(0x30, encodeTlv(0x0c, new Uint8Array(2600).fill(0x61)));
  const validity = encodeTlv(0x30, new Uint8Array(0));
  const serial = fromHex("020101");
  const body = encodeTlv(0x30, serial, algorithm, name, validity, name, publicKeyInfo);
  return encodeTlv(0x30, body, algorithm, encodeTlv(0x03, new Uint8Array(64)));
}

async function refusal(work: Promise<unknown>): Promise<HsmError> {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(HsmError);
  return error as HsmError;
}

describe.each(profiles)("%s", (profile) => {
  test("a backup holds every key with what belongs to it, and is proved by the share", async () => {
    const token = await full(profile);
    const card = await open(token);
    const before = JSON.stringify(token.serialize());
    const manifest = await collectBackup(card, facts);
    expect(manifest).toMatchObject({
      created: facts.created,
      createdBy: facts.createdBy,
      device: { label: "full", simulated: true },
      keys: [
        { reference: 1, label: "signing", id: "A1", kind: "ec", bits: 256, curve: "secp256r1", domain: 0 },
        { reference: 2, label: "décrypter", id: "02", kind: "rsa", bits: 1024, curve: null },
        { reference: 3, label: "aes", id: "03", kind: "aes", bits: 192, certificate: null },
      ],
      notExported: [],
      files: [
        { fid: "C805", content: description },
        { fid: "C906", content: description },
        { fid: "CA05", content: authority },
        { fid: "CF06", content: utf8Bytes("public") },
      ],
    });
    expect(manifest.keys.map((key) => toHex(key.kcv))).toEqual([kcv, kcv, kcv]);
    const file = writeBackupFile(manifest);
    expect(readBackupFile(file)).toEqual(manifest);
    expect(verifyBackup(file, [dkek]).outcome).toBe("verified");
    expect(JSON.parse(JSON.stringify(token.serialize())).files).toEqual(JSON.parse(before).files);
    expect(backupWarnings(manifest, await card.keyDomains())).toEqual([]);
  });

  test("sixty keys: four exchanges each at most, and each is told of", async () => {
    const token = await empty(profile, "sixty");
    const maker = await open(token);
    for (let i = 1; i <= 60; i++) {
      await maker.generateKeyPair({ type: { kind: "ec", curve: "secp256r1" }, label: `key ${i}` });
    }
    const bare = new PulledCard(await empty(profile, "none"));
    await collectBackup(await loggedIn(bare), facts);
    const channel = new PulledCard(token);
    const steps: string[] = [];
    const manifest = await collectBackup(await loggedIn(channel), facts, ({ number, of, label }) =>
      steps.push(`${number}/${of} ${label}`),
    );
    expect(manifest.keys.length).toBe(60);
    expect(channel.sent.length - bare.sent.length).toBeLessThanOrEqual(4 * 60);
    expect([steps.length, steps[0], steps[59]]).toEqual([60, "1/60 key 1", "60/60 key 60"]);
  });

  test("the preview says the same without a login", async () => {
    const token = await full(profile);
    const channel = new PulledCard(token);
    const preview = await previewBackup(await openOn(channel), facts);
    const made = await collectBackup(await open(token), facts);
    const bare = (manifest: BackupManifest) => manifest.keys.map(({ blob: _, kcv: __, ...rest }) => rest);
    expect(bare(preview)).toEqual(bare(made));
    expect(channel.count(0x20)).toBe(0);
  });

  test("restored on another token: whole, signing, and a second time there is nothing to do", async () => {
    const manifest = await backupOf(profile);
    const token = await empty(profile, "other");
    const outcome = await restore(await open(token), manifest);
    expect(outcome.keys.map(({ done }) => done)).toEqual(["written", "written", "written"]);
    expect(outcome.files).toBe(4);
    await expectWhole(token, manifest);
    const before = JSON.stringify(token.serialize());
    const again = await restore(await open(token), manifest);
    expect(again.keys.map(({ done }) => done)).toEqual(["skipped", "skipped", "skipped"]);
    expect(again.files).toBe(0);
    expect(JSON.parse(JSON.stringify(token.serialize())).keys).toEqual(JSON.parse(before).keys);
  });

  test("a backup of the other kind of token is restored too", async () => {
    const manifest = await backupOf(profile === "pico" ? "genuine" : "pico");
    const token = await empty(profile, "across");
    await restore(await open(token), manifest);
    await expectWhole(token, manifest);
  });

  describe.each<PulledWhen>(["before", "after"])("pulled %s the card has worked on an exchange", (when) => {
    test("at every exchange of a restore: no half key, and running it again finishes", async () => {
      const manifest = await backupOf(profile);
      const begin = await empty(profile, `pulled ${when}`);
      const state = begin.serialize();
      const fresh = () => SimulatedToken.restore(state, repeatableWorld("again"));
      const whole = new PulledCard(fresh());
      await restore(await loggedIn(whole), manifest);
      expect(whole.sent.length).toBeGreaterThan(15);
      for (let at = 0; at < whole.sent.length; at++) {
        const token = fresh();
        const pulled = new PulledCard(token, { at, when });
        const error = await refusal(loggedIn(pulled).then((card) => restore(card, manifest)));
        expect(["CARD_REMOVED", "RESTORED_IN_PART"], `pulled at ${at}`).toContain(error.code);
        expect(pulled.count(0x20), `VERIFY, pulled at ${at}`).toBeLessThanOrEqual(2);

        // What is there can be told: on the genuine card every key is whole, a Pico HSM may have a nameless one.
        const keys = await (await openOn(new PulledCard(token))).listKeys();
        const halves = keys.filter(({ label, problems }) => label === "" || problems.length > 0);
        expect(halves.length, `pulled at ${at}`).toBeLessThanOrEqual(profile === "pico" ? 1 : 0);

        await restore(await open(token), manifest);
        await expectWhole(token, manifest);
      }
    });

    test("at every exchange of the source of a clone: it stays as it is, and running it again gives the same keys", async () => {
      const source = await full(profile);
      const state = JSON.stringify(source.serialize());
      const { files, keys } = JSON.parse(state) as Record<string, unknown>;
      const whole = new PulledCard(SimulatedToken.restore(JSON.parse(state), repeatableWorld("again")));
      const { keys: expected } = await collectBackup(await loggedIn(whole), facts);
      for (let at = 0; at < whole.sent.length; at++) {
        const token = SimulatedToken.restore(JSON.parse(state), repeatableWorld("again"));
        const pulled = new PulledCard(token, { at, when });
        expect((await refusal(loggedIn(pulled).then((card) => collectBackup(card, facts)))).code).toBe("CARD_REMOVED");
        const after = JSON.parse(JSON.stringify(token.serialize())) as Record<string, unknown>;
        expect([after["files"], after["keys"]]).toEqual([files, keys]);
        const again = await collectBackup(await open(token), facts);
        expect(again.keys.map(({ label }) => label)).toEqual(expected.map(({ label }) => label));
      }
    });

    test("at every exchange while other keys are replaced", async () => {
      const manifest = await backupOf(profile);
      const begin = await empty(profile, "taken");
      const owner = await open(begin);
      for (const label of ["x", "y", "z"])
        await owner.generateKeyPair({ type: { kind: "ec", curve: "secp256r1" }, label });
      await owner.writeFile(0xca05, fromHex("30030101AA"));
      const state = begin.serialize();
      const fresh = () => SimulatedToken.restore(state, repeatableWorld("again"));
      const whole = new PulledCard(fresh());
      await restore(await loggedIn(whole), manifest, true);
      for (let at = 5; at < whole.sent.length; at += 3) {
        const token = fresh();
        await refusal(loggedIn(new PulledCard(token, { at, when })).then((card) => restore(card, manifest, true)));
        await restore(await open(token), manifest, true);
        await expectWhole(token, manifest);
      }
    });
  });

  describe("what is in the way", () => {
    test("another key in the place: refused, nothing written, replaced when wanted", async () => {
      const manifest = await backupOf(profile);
      const token = await empty(profile, "way");
      const card = await open(token);
      await card.generateKeyPair({ type: { kind: "ec", curve: "secp256r1" }, label: "mine", id: fromHex("77") });
      const files = await card.listFiles();
      const error = await refusal(restore(card, manifest));
      expect(error).toMatchObject({ code: "RESTORE_CONFLICT", kind: "conflict" });
      expect(error.message).toContain('key 1 "mine"');
      expect(await card.listFiles()).toEqual(files);
      const outcome = await restore(card, manifest, true);
      expect(outcome.keys.map(({ done }) => done)).toEqual(["replaced", "written", "written"]);
      await expectWhole(token, manifest);
    });

    test("another key with the id elsewhere", async () => {
      const manifest = await backupOf(profile);
      const card = await open(await empty(profile, "id"));
      await card.generateKeyPair({
        type: { kind: "ec", curve: "secp256r1" },
        label: "mine",
        id: fromHex("A1"),
        ref: 9,
      });
      const plan = await planRestore(card, manifest, false);
      expect(plan.keys.map(({ action }) => action)).toEqual(["conflict", "write", "write"]);
    });

    test("the same key in another place, under another name, with another certificate: left as it is", async () => {
      const manifest = await backupOf(profile);
      const token = await empty(profile, "elsewhere");
      const card = await open(token);
      const [signing] = manifest.keys;
      if (signing === undefined) throw new Error("no key");
      await restore(card, { ...manifest, keys: [{ ...signing, reference: 7, description: null }], files: [] });
      const plan = await planRestore(card, manifest, true);
      expect(plan.keys[0]).toMatchObject({ action: "skip", reason: expect.stringContaining("key 7") });

      const renamed = await open(await empty(profile, "renamed"));
      await restore(renamed, manifest);
      await renamed.renameKey(1, "new name");
      expect((await planRestore(renamed, manifest, true)).keys[0]).toMatchObject({
        action: "skip",
        reason: expect.stringContaining("new name"),
      });
    });

    test("a key of the backup that sits in the place of another one is never deleted", async () => {
      const manifest = await backupOf(profile);
      const card = await open(await empty(profile, "swapped"));
      const [signing, rsa] = manifest.keys;
      if (signing === undefined || rsa === undefined) throw new Error("no keys");
      await restore(card, { ...manifest, keys: [{ ...rsa, reference: 1 }], files: [] });
      const plan = await planRestore(card, manifest, true);
      expect(plan.keys.map(({ action }) => action)).toEqual(["conflict", "skip", "write"]);
    });

    test("an AES key cannot be compared: the same description passes, unless it is to be replaced", async () => {
      const manifest = await backupOf(profile);
      const token = await empty(profile, "aes");
      const card = await open(token);
      await card.generateAesKey({ bits: 192, label: "aes", ref: 3 });
      const [, , kept] = (await planRestore(card, manifest, false)).keys;
      expect(kept).toMatchObject({ action: "skip", reason: expect.stringContaining("cannot be compared") });
      expect((await planRestore(card, manifest, true)).keys[2]?.action).toBe("replace");
    });

    test("an AES key with the mark of this very restore is finished", async () => {
      const manifest = await backupOf(profile);
      const aes = manifest.keys[2];
      if (aes === undefined) throw new Error("no key");
      const token = await empty(profile, "mark");
      const card = await open(token);
      await card.unwrapKey(aes.blob, 3);
      await card.writeFile(0xce03, restoreMark(aes));
      const outcome = await restore(card, { ...manifest, keys: [aes], files: [] });
      expect(outcome.keys[0]?.done).toBe("finished");
      await expectWhole(token, { ...manifest, keys: [aes], files: [] });
    });
  });

  describe("refused", () => {
    test("another DKEK, before anything is written", async () => {
      const manifest = await backupOf(profile);
      const other = share.map((byte) => byte ^ 1);
      const token = await empty(profile, "foreign", oneShare, [other]);
      const card = await open(token);
      const files = await card.listFiles();
      const error = await refusal(restore(card, manifest));
      expect(error).toMatchObject({ code: "KCV_UNEXPECTED", kind: "check-failed" });
      expect(error.message).toContain(kcv);
      expect(await card.listFiles()).toEqual(files);
    });

    test.each<[string, InitializeSettings["dkek"], Uint8Array[], string, string]>([
      ["no DKEK", { kind: "none" }, [], "NO_DKEK", "not-supported"],
      ["shares pending", { kind: "shares", shares: 2 }, [share], "DKEK_SHARES_PENDING", "refused"],
      ["shares that cancel each other", { kind: "shares", shares: 2 }, [share, share], "DKEK_ZERO", "check-failed"],
    ])("create and restore with %s", async (_, settings, shares, code, kind) => {
      const card = await open(await empty(profile, "bad", settings, shares));
      expect(await refusal(collectBackup(card, facts))).toMatchObject({ code, kind });
      expect(await refusal(restore(card, await backupOf(profile)))).toMatchObject({ code, kind });
    });

    test("a key that may not leave is listed, the others are saved", async () => {
      const token = await full(profile);
      const card = await open(token);
      await card.generateAesKey({ bits: 128, label: "stays", algorithms: [0x10] });
      const manifest = await collectBackup(card, facts);
      expect(manifest.keys.length).toBe(3);
      expect(manifest.notExported).toMatchObject([{ reference: 4, label: "stays" }]);
      expect(verifyBackup(writeBackupFile(manifest), [dkek]).outcome).toBe("incomplete");
    });

    test("a private data object is left out, and that is told", async () => {
      const card = await open(await full(profile));
      await card.writeFile(0xcd05, utf8Bytes("secret"));
      await card.writeFile(0xc905, fromHex("30030101FF"));
      const manifest = await collectBackup(card, facts);
      expect(manifest.notExported).toMatchObject([{ reference: 5, reason: expect.stringContaining("private") }]);
      expect(manifest.files.map(({ fid }) => fid)).toEqual(["C805", "C906", "CA05", "CF06"]);
    });

    test("a blob that the token does not take leaves nothing behind; the other keys are restored", async () => {
      const manifest = await backupOf(profile);
      const keys = manifest.keys.map((key, i) => {
        const blob = key.blob.slice();
        if (i !== 1) blob[60] = (blob[60] as number) ^ 1;
        return { ...key, blob };
      });
      const token = await empty(profile, "damaged");
      const outcome = await restore(await open(token), { ...manifest, keys });
      expect(outcome.keys.map(({ done }) => done)).toEqual(["failed", "written", "failed"]);
      await expectWhole(token, { ...manifest, keys: manifest.keys.slice(1, 2) });
    });

    test.each(["2F02", "CC01", "C401", "CE01", "CD01", "2F03"])("a backup that would write file %s", async (fid) => {
      const manifest = { ...(await backupOf(profile)), files: [{ fid, content: authority }] };
      const token = await empty(profile, "evil");
      const channel = new PulledCard(token);
      expect(await refusal(planRestore(await openOn(channel), manifest, true))).toMatchObject({
        code: "BACKUP_INVALID",
      });
    });
  });

  test("long keys and certificates: pulled at every exchange, finished by the next run", async () => {
    const maker = await open(await empty(profile, "long"));
    const rsa = await maker.generateKeyPair({ type: { kind: "rsa", bits: 4096 }, label: "long", id: fromHex("B1") });
    const { publicKey } = await maker.generateKeyPair({ type: { kind: "ec", curve: "secp521r1" }, label: "certified" });
    if (rsa.publicKey === null || publicKey === null) throw new Error("no public key");
    await maker.writeKeyCertificate(1, longCertificate(publicKeyDer(rsa.publicKey)));
    await maker.writeKeyCertificate(2, longCertificate(publicKeyDer(publicKey)));
    const manifest = await collectBackup(maker, facts);
    expect(manifest.keys[0]?.blob.length).toBeGreaterThan(1000);
    const state = (await empty(profile, "long target")).serialize();
    const fresh = () => SimulatedToken.restore(state, repeatableWorld("again"));
    const whole = new PulledCard(fresh());
    await restore(await loggedIn(whole), manifest);
    expect(whole.sent.length).toBeGreaterThan(20);
    for (let at = 6; at < whole.sent.length; at++) {
      const token = fresh();
      const when = at % 2 === 0 ? "before" : "after";
      await refusal(loggedIn(new PulledCard(token, { at, when })).then((card) => restore(card, manifest)));
      await restore(await open(token), manifest);
      await expectWhole(token, manifest);
    }
  }, 60_000);

  test("keys of two key domains find theirs by its check value", async () => {
    const domains: InitializeSettings["dkek"] = { kind: "key-domains", domains: 2 };
    const other = share.map((byte) => byte ^ 0x5a);
    const withDomains = async (name: string, [first, second]: readonly [Uint8Array, Uint8Array]) => {
      const token = await empty(profile, name, domains, []);
      const card = await open(token);
      for (const [i, one] of [first, second].entries()) {
        await card.createKeyDomain(i, 1);
        await card.importDkekShare(one, i);
      }
      return token;
    };
    const from = await open(await withDomains("two from", [share, other]));
    const type = { kind: "ec", curve: "secp256r1" } as const;
    await from.generateKeyPair({ type, label: "in 0", domain: 0 });
    await from.generateKeyPair({ type, label: "in 1", domain: 1 });
    const manifest = await collectBackup(from, facts);
    expect(manifest.keys.map(({ domain, kcv }) => [domain, toHex(kcv)])).toEqual([
      [0, kcv],
      [1, toHex(deriveDkekKeys(other).kcv)],
    ]);
    const file = writeBackupFile(manifest);
    expect(verifyBackup(file, [dkek]).outcome).toBe("incomplete");
    expect(verifyBackup(file, [dkek, deriveDkekKeys(other)]).outcome).toBe("verified");

    const swapped = await withDomains("two to", [other, share]);
    await restore(await open(swapped), manifest);
    await expectWhole(swapped, manifest);
    const placed = await (await open(swapped)).listKeys({ metadata: true });
    expect(placed.map(({ metadata }) => metadata?.domain ?? 0)).toEqual([1, 0]);

    const one = await open(await empty(profile, "one domain"));
    expect(await refusal(restore(one, manifest))).toMatchObject({ code: "KCV_UNEXPECTED" });
    expect(await one.listKeys()).toEqual([]);
  });

  test("a full token: what did not fit leaves nothing behind, and room for it is enough to go on", async () => {
    const manifest = await backupOf(profile);
    const token = await empty(profile, "full up");
    const card = await open(token);
    const ballast: number[] = [];
    for (let size = 32_000; size > 60; size = Math.floor(size / 2)) {
      for (let fid = 0xcf10 + ballast.length; ; fid++) {
        try {
          await card.writeFile(fid, new Uint8Array(size));
          ballast.push(fid);
        } catch {
          await card.deleteFile(fid).catch(() => undefined);
          break;
        }
      }
    }
    const error = await refusal(restore(card, manifest));
    expect(error).toMatchObject({ code: "RESTORED_IN_PART", kind: "partial" });
    expect(error.advice).toContain("run the same command again");
    const keys = await card.listKeys();
    expect(keys.length).toBeLessThan(3);
    for (const { problems } of keys) expect(problems).toEqual([]);
    for (const fid of ballast) await card.deleteFile(fid);
    await restore(await open(token), manifest);
    await expectWhole(token, manifest);
  });

  test("restored keys have no use counter, which the backup says", async () => {
    const card = await open(await empty(profile, "counter"));
    await card.generateKeyPair({ type: { kind: "ec", curve: "secp256r1" }, label: "few", useCounter: 5 });
    const manifest = await collectBackup(card, facts);
    expect(manifest.keys[0]?.useCounter).toBe(5);
    expect(backupWarnings(manifest, await card.keyDomains())).toEqual([expect.stringContaining("use counter")]);
  });
});

test("a DKEK made inside is warned about", async () => {
  const card = await open(await empty("genuine", "random", { kind: "random" }, []));
  await card.generateKeyPair({ type: { kind: "ec", curve: "secp256r1" }, label: "one" });
  const manifest = await collectBackup(card, facts);
  expect(backupWarnings(manifest, await card.keyDomains())).toEqual([expect.stringContaining("this token only")]);
  // Restored where it came from.
  await card.deleteKey(1);
  expect((await restore(card, manifest)).keys[0]?.done).toBe("written");
});

test("an EC key without a certificate: its curve is not known before it is unwrapped, and it is proved all the same", async () => {
  const token = await empty("genuine", "no certificate");
  const card = await open(token);
  await card.generateKeyPair({ type: { kind: "ec", curve: "brainpoolP256r1" }, label: "bare" });
  await card.deleteFile(0xce01);
  const manifest = await collectBackup(card, facts);
  expect(manifest.keys[0]).toMatchObject({ curve: null, bits: 256, certificate: null });
  expect(verifyBackup(writeBackupFile(manifest), [dkek]).outcome).toBe("verified");
  const [key] = manifest.keys;
  if (key === undefined) throw new Error("no key");
  const wrong = writeBackupFile({ ...manifest, keys: [{ ...key, bits: 384 }] });
  expect(verifyBackup(wrong, [dkek]).outcome).toBe("failed");
});

test("a pico certificate that is not the key's: the key is taken away again", async () => {
  const manifest = await backupOf("pico");
  const [ec] = manifest.keys;
  const other = (await backupOf("genuine")).keys[0];
  if (ec === undefined || other === undefined) throw new Error("no keys");
  const card = await open(await empty("pico", "forged"));
  const error = await refusal(
    restore(card, { ...manifest, keys: [{ ...ec, certificate: other.certificate }], files: [] }),
  );
  expect(error).toMatchObject({ code: "KEY_NOT_AS_BACKED_UP", kind: "check-failed" });
  expect(await card.listKeys()).toEqual([]);
});

test("whatever bytes stand in for a backup, reading them ends in an error of ours", async () => {
  const file = writeBackupFile(await backupOf("genuine"));
  fc.assert(
    fc.property(fc.nat(file.length - 1), fc.integer({ min: 1, max: 255 }), (at, mask) => {
      const bad = file.slice();
      bad[at] = (bad[at] as number) ^ mask;
      expect(() => readBackupFile(bad)).toThrow(HsmError);
    }),
    { numRuns: 300 },
  );
});
