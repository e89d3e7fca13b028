import { generateKeyPairSync } from "node:crypto";
import { describe, expect, test } from "vitest";
import { utf8Bytes } from "../../src/bytes/bytes.ts";
import { fromHex } from "../../src/bytes/hex.ts";
import { importKey } from "../../src/crypto/keys/key-import.ts";
import { deriveDkekKeys } from "../../src/crypto/shares/dkek.ts";
import { HsmError } from "../../src/errors.ts";
import { importOnToken, sealForImport } from "../../src/services/keys/key-import.ts";
import { checkSignature } from "../../src/services/keys/keys-signature.ts";
import { repeatableWorld } from "../../src/simulator/repeatable-world.ts";
import { SimulatedToken } from "../../src/simulator/simulator.ts";
import { openOn, PulledCard, type PulledWhen } from "./pulled-card.ts";

const userPin = utf8Bytes("648219");
const share = new Uint8Array(32).map((_, i) => i);
const wish = { label: "imported", id: fromHex("BEEF") };
const message = utf8Bytes("message");

async function imported(options: { factors: boolean } = { factors: true }) {
  const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 1024 });
  const found = await importKey(utf8Bytes(String(privateKey.export({ format: "pem", type: "pkcs8" }))));
  if (options.factors || found.key.kind !== "rsa") return found;
  return { ...found, key: { ...found.key, factors: undefined } };
}

describe.each(["genuine", "pico"] as const)("%s", (profile) => {
  async function withDkek(): Promise<SimulatedToken> {
    const token = SimulatedToken.create(repeatableWorld(`import ${profile}`), { profile });
    const card = await openOn(new PulledCard(token));
    await card.initialize({ soPin: fromHex("3537363231383830"), userPin, dkek: { kind: "shares", shares: 1 } });
    await card.verifyUserPin(userPin);
    await card.importDkekShare(share);
    return token;
  }

  async function loggedIn(channel: PulledCard) {
    const card = await openOn(channel);
    await card.verifyUserPin(userPin);
    return card;
  }

  test("the key in the clear is wiped once it is wrapped, with or without its factors", async () => {
    for (const factors of [true, false]) {
      const found = await imported({ factors });
      const token = await withDkek();
      const ready = sealForImport(found, deriveDkekKeys(share), wish);
      if (found.key.kind !== "rsa") throw new Error("not RSA");
      expect(found.key.privateExponent.every((byte) => byte === 0)).toBe(true);
      const card = await loggedIn(new PulledCard(token));
      const { ref } = await importOnToken(card, ready, wish, "token");
      const key = await card.readKey(ref);
      expect(key).toMatchObject({ label: "imported", kind: "rsa", bits: 1024, certificate: "request", problems: [] });
      const signature = await card.sign(key, { scheme: "pkcs1", hash: "sha256" }, message);
      if (key.publicKey === null) throw new Error("no public key");
      const check = checkSignature(key.publicKey, "pkcs1", "sha256");
      check.update(message);
      expect(check.holds(signature)).toBe(true);
    }
  });

  test.each<PulledWhen>(["before", "after"])(
    "unplugged %s the card has worked on an exchange: told, and run again it is whole",
    async (when) => {
      const ready = sealForImport(await imported(), deriveDkekKeys(share), wish);
      const whole = new PulledCard(await withDkek());
      const first = await loggedIn(whole);
      const begin = whole.sent.length;
      await importOnToken(first, ready, wish, "token");
      expect(whole.sent.length).toBeGreaterThan(begin + 2);
      for (let at = begin; at < whole.sent.length; at++) {
        const token = await withDkek();
        const card = await loggedIn(new PulledCard(token, { at, when }));
        await expect(importOnToken(card, ready, wish, "token"), `pulled at ${at}`).rejects.toBeInstanceOf(HsmError);
        const left = await (await openOn(new PulledCard(token))).listKeys();
        // What is left is whole, or says what it misses; never two.
        expect(left.length).toBeLessThanOrEqual(1);
        const again = await loggedIn(new PulledCard(token));
        for (const { ref } of left) await again.deleteKey(ref);
        const { ref } = await importOnToken(again, ready, wish, "token");
        expect((await again.readKey(ref)).problems).toEqual([]);
      }
    },
  );

  test("a refusal after the key is there takes it away again", async () => {
    const token = await withDkek();
    const card = await loggedIn(new PulledCard(token));
    const ready = sealForImport(await imported(), deriveDkekKeys(share), wish);
    const refuses = Object.assign(Object.create(card) as typeof card, {
      unwrapKey: card.unwrapKey.bind(card),
      deleteKey: card.deleteKey.bind(card),
      writeKeyDescription: async () => {
        throw new HsmError("MEMORY_FULL", "conflict", "full");
      },
    });
    await expect(importOnToken(refuses, ready, wish, "token")).rejects.toMatchObject({ code: "MEMORY_FULL" });
    expect(await card.listKeys()).toEqual([]);
  });

  test("a blob under another DKEK leaves nothing", async () => {
    const card = await loggedIn(new PulledCard(await withDkek()));
    const ready = sealForImport(await imported(), deriveDkekKeys(new Uint8Array(32).fill(7)), wish);
    await expect(importOnToken(card, ready, wish, "token")).rejects.toMatchObject({ kind: "check-failed" });
    expect(await card.listKeys()).toEqual([]);
  });
});
