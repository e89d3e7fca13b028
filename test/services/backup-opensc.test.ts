import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { standardStack } from "../../src/apdu/standard-stack.ts";
import { utf8Bytes } from "../../src/bytes/bytes.ts";
import { fromHex } from "../../src/bytes/hex.ts";
import { SmartCardHsm } from "../../src/cards/smartcard-hsm/smartcard-hsm.ts";
import { readBackupFile, writeBackupFile } from "../../src/crypto/backup/backup-file.ts";
import { publicKeyDer } from "../../src/crypto/keys/public-key-formats.ts";
import { buildWrapContainer } from "../../src/crypto/keys/wrap-container.ts";
import { collectBackup } from "../../src/services/backup/backup.ts";
import { planRestore, publicKeyOf } from "../../src/services/backup/backup-plan.ts";
import { runRestore } from "../../src/services/backup/backup-restore.ts";
import { repeatableWorld } from "../../src/simulator/repeatable-world.ts";
import { openTokenFile } from "../../src/simulator/token-store.ts";
import { makeStack, type Stack } from "../opensc/stack.ts";
import { describeWith, stackNeeds } from "../support/needs.ts";

// What was backed up is of use to other programs: keys that were restored, and single blobs out of the file.

const pin = utf8Bytes("648219");
const share = fromHex("000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F");
const pkcs11 = (...args: readonly string[]): string[] => ["pkcs11-tool", "--login", "--pin", "648219", ...args];
const scHsm = (...args: readonly string[]): string[] => ["sc-hsm-tool", "--pin", "648219", ...args];

describeWith([...stackNeeds, "pkcs11-tool", "sc-hsm-tool", "openssl"], "OpenSC and a backup", () => {
  let stack: Stack;
  beforeAll(async () => {
    stack = await makeStack();
    writeFileSync(join(stack.folder, "data"), "The quick brown fox jumps over the lazy dog\n");
    openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", "peer.pem");
    openssl("pkey", "-in", "peer.pem", "-pubout", "-outform", "DER", "-out", "peer.der");
  });
  afterAll(() => stack.remove());

  async function onToken<T>(name: string, profile: "genuine" | "pico", work: (card: SmartCardHsm) => Promise<T>) {
    const path = join(stack.folder, `${name}.json`);
    const channel = await openTokenFile(path, { world: repeatableWorld(name), profile, create: true });
    try {
      const card = await SmartCardHsm.open(standardStack(channel, { deadlineMs: 10_000 }));
      if ((await card.pinState("user-pin")).state === "uninitialised") {
        const soPin = fromHex("3537363231383830");
        await card.initialize({ soPin, userPin: pin, dkek: { kind: "shares", shares: 1 } });
        await card.verifyUserPin(pin);
        await card.importDkekShare(share);
      }
      await card.verifyUserPin(pin);
      return await work(card);
    } finally {
      await channel.close();
    }
  }

  const openssl = (...args: readonly string[]): string =>
    execFileSync("openssl", args, { cwd: stack.folder, encoding: "utf8", stdio: "pipe" }).trim();
  const verified = (key: string, signature: string): string =>
    openssl("dgst", "-sha256", "-verify", key, "-keyform", "DER", "-signature", signature, "data");
  const content = (name: string): Buffer => readFileSync(join(stack.folder, name));

  test.each(["genuine", "pico"] as const)(
    "from a %s token",
    async (profile) => {
      const file = await onToken(`${profile}-from`, profile, async (card) => {
        await card.generateKeyPair({ type: { kind: "rsa", bits: 2048 }, label: "rsa key", id: fromHex("A1") });
        await card.generateKeyPair({ type: { kind: "ec", curve: "secp256r1" }, label: "ec key", id: fromHex("A2") });
        const facts = { created: "2026-11-20T12:00:00Z", createdBy: "test", simulated: true };
        return writeBackupFile(await collectBackup(card, facts));
      });
      const manifest = readBackupFile(file);
      for (const entry of manifest.keys) {
        const { blob, description, certificate, kind } = entry;
        const key = publicKeyOf(entry);
        if (key === null || description === null || certificate === null) throw new Error("not whole");
        writeFileSync(join(stack.folder, `${kind}.der`), publicKeyDer(key));
        writeFileSync(join(stack.folder, `${kind}.wrap`), buildWrapContainer({ blob, description, certificate }));
      }
      openssl(
        "pkeyutl",
        "-encrypt",
        "-pubin",
        "-keyform",
        "DER",
        "-inkey",
        "rsa.der",
        "-in",
        "data",
        "-out",
        "data.enc",
      );
      openssl("pkeyutl", "-derive", "-inkey", "peer.pem", "-peerform", "DER", "-peerkey", "ec.der", "-out", "secret");
      const restored = `${profile}-restored`;
      await onToken(restored, profile, async (card) => runRestore(card, await planRestore(card, manifest, false)));
      const bare = `${profile}-bare`;
      await onToken(bare, profile, async () => undefined);

      const sign = (id: string, ...how: readonly string[]) => pkcs11("--sign", "--id", id, "-i", "data", ...how);
      const ec = ["-m", "ECDSA-SHA256", "--signature-format", "openssl"];
      for (const [token, steps] of [
        [restored, []],
        [
          bare,
          [
            scHsm("--unwrap-key", "rsa.wrap", "--key-reference", "5"),
            scHsm("--unwrap-key", "ec.wrap", "--key-reference", "6", ...(profile === "pico" ? ["--force"] : [])),
          ],
        ],
      ] as const) {
        const results = await stack.run(
          [{ name: token, profile }],
          [
            ...steps,
            pkcs11("-O"),
            sign("a1", "-m", "SHA256-RSA-PKCS", "-o", `${token}-rsa.sig`),
            sign("a2", ...ec, "-o", `${token}-ec.sig`),
            pkcs11("--decrypt", "-m", "RSA-PKCS", "--id", "a1", "-i", "data.enc", "-o", `${token}.txt`),
            pkcs11("--derive", "-m", "ECDH1-DERIVE", "--id", "a2", "-i", "peer.der", "-o", `${token}.secret`),
          ],
        );
        for (const { exit, stderr } of results) expect(exit, stderr).toBe(0);
        const list = results.at(-5)?.stdout;
        for (const part of [/label: +rsa key/, /label: +ec key/]) expect(list).toMatch(part);
        expect(content(`${token}.txt`)).toEqual(content("data"));
        expect(content(`${token}.secret`)).toEqual(content("secret"));
        for (const kind of ["rsa", "ec"]) expect(verified(`${kind}.der`, `${token}-${kind}.sig`)).toBe("Verified OK");
      }
    },
    120_000,
  );
});
