import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { standardStack } from "../../src/apdu/standard-stack.ts";
import { utf8Bytes } from "../../src/bytes/bytes.ts";
import { fromHex, toHex } from "../../src/bytes/hex.ts";
import type { TokenKey } from "../../src/cards/smartcard-hsm/keys/token-key.ts";
import { SmartCardHsm } from "../../src/cards/smartcard-hsm/smartcard-hsm.ts";
import { publicKeyDer } from "../../src/crypto/keys/public-key-formats.ts";
import { repeatableWorld } from "../../src/simulator/repeatable-world.ts";
import { openTokenFile } from "../../src/simulator/token-store.ts";
import { describeWith, stackNeeds } from "../support/needs.ts";
import { makeStack, type Stack } from "./stack.ts";

// Keys that our driver makes and describes are OpenSC's keys, and the other way round (issue 4, item 3).

const pin = ["--pin", "648219"];
const pkcs11 = (...args: readonly string[]): string[] => ["pkcs11-tool", "--login", ...pin, ...args];

describeWith([...stackNeeds, "pkcs11-tool", "openssl"], "OpenSC and the keys of our driver", () => {
  let stack: Stack;
  beforeAll(async () => {
    stack = await makeStack();
    writeFileSync(join(stack.folder, "data"), "The quick brown fox jumps over the lazy dog\n");
  });
  afterAll(() => stack.remove());

  const openssl = (...args: readonly string[]): string =>
    execFileSync("openssl", args, { cwd: stack.folder, encoding: "utf8", stdio: "pipe" }).trim();

  async function withDriver<T>(profile: "genuine" | "pico", work: (card: SmartCardHsm) => Promise<T>): Promise<T> {
    const path = join(stack.folder, `${profile}.json`);
    const channel = await openTokenFile(path, { world: repeatableWorld(profile), profile, create: true });
    try {
      return await work(await SmartCardHsm.open(standardStack(channel, { deadlineMs: 10_000 })));
    } finally {
      await channel.close();
    }
  }

  test.each(["genuine", "pico"] as const)("on a %s token", async (profile) => {
    const userPin = utf8Bytes("648219");
    const made = await withDriver(profile, async (card) => {
      await card.initialize({ soPin: fromHex("3537363231383830"), userPin, dkek: { kind: "none" } });
      await card.verifyUserPin(userPin);
      await card.writeLabel("driver");
      await card.generateKeyPair({ type: { kind: "rsa", bits: 2048 }, label: "first name", id: fromHex("A1") });
      const ec = await card.generateKeyPair({
        type: { kind: "ec", curve: "secp256r1" },
        label: "ec key",
        id: fromHex("A2B3"),
      });
      const aes = await card.generateAesKey({ bits: 256, label: "aes key" });
      await card.renameKey(1, "rsa key");
      return { rsa: await card.readKey(1), ec, aes };
    });
    for (const key of [made.rsa, made.ec]) {
      if (key.publicKey !== null) writeFileSync(join(stack.folder, `${key.kind}.der`), publicKeyDer(key.publicKey));
    }
    const results = await stack.run(
      [{ name: profile, profile }],
      [
        pkcs11("-O"),
        pkcs11("--sign", "-m", "SHA256-RSA-PKCS", "--id", "a1", "-i", "data", "-o", "rsa.sig"),
        pkcs11(
          "--sign",
          "-m",
          "ECDSA-SHA256",
          "--signature-format",
          "openssl",
          "--id",
          "a2b3",
          "-i",
          "data",
          "-o",
          "ec.sig",
        ),
        pkcs11("--keypairgen", "--key-type", "EC:prime256v1", "--id", "c4", "--label", "theirs"),
      ],
    );
    for (const result of results) expect(result.exit, result.stderr).toBe(0);
    for (const part of [/label: +rsa key/, /label: +ec key/, /ID: +a1\b/, /ID: +a2b3\b/]) {
      expect(results[0]?.stdout).toMatch(part);
    }
    for (const kind of ["rsa", "ec"]) {
      const verified = openssl(
        "dgst",
        "-sha256",
        "-verify",
        `${kind}.der`,
        "-keyform",
        "DER",
        "-signature",
        `${kind}.sig`,
        "data",
      );
      expect(verified).toBe("Verified OK");
    }
    const keys = await withDriver(profile, (card) => card.listKeys());
    const facts = ({ ref, label, id, kind, problems }: TokenKey) => [ref, label, toHex(id), kind, problems];
    expect(keys.map(facts)).toEqual([
      [1, "rsa key", "A1", "rsa", []],
      [2, "ec key", "A2B3", "ec", []],
      [3, "aes key", "03", "aes", []],
      [4, "theirs", "C4", "ec", []],
    ]);
  });
});
