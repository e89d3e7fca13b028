import { describe, expect, test } from "vitest";
import { TransportError } from "../../../../src/apdu/transport-error.ts";
import { utf8Bytes } from "../../../../src/bytes/bytes.ts";
import { fromHex } from "../../../../src/bytes/hex.ts";
import { algorithmIds } from "../../../../src/cards/smartcard-hsm/keys/algorithms.ts";
import type { SmartCardHsm } from "../../../../src/cards/smartcard-hsm/smartcard-hsm.ts";
import { curveByName } from "../../../../src/crypto/curves/curves.ts";
import type { Leaf } from "../../../../src/crypto/vault/leaf.ts";
import type { LeafRef } from "../../../../src/services/vault/key-source.ts";
import { enrolCardKey } from "../../../../src/services/vault/openers/card-enrolment.ts";
import { cardSource } from "../../../../src/services/vault/openers/card-source.ts";
import { repeatableWorld } from "../../../../src/simulator/repeatable-world.ts";
import { SimulatedToken } from "../../../../src/simulator/simulator.ts";
import { openOn, PulledCard } from "../../pulled-card.ts";

const userPin = utf8Bytes("648219");
const generator = curveByName("secp256r1")?.g ?? new Uint8Array(0);

async function token(seed: string, profile: "genuine" | "pico" = "genuine"): Promise<SimulatedToken> {
  const made = SimulatedToken.create(repeatableWorld(seed), { profile });
  const card = await openOn(new PulledCard(made));
  await card.initialize({ soPin: fromHex("3537363231383830"), userPin, dkek: { kind: "random" } });
  return made;
}

async function withKeys(made: SimulatedToken, work: (card: SmartCardHsm) => Promise<unknown>): Promise<void> {
  const card = await openOn(new PulledCard(made));
  await card.verifyUserPin(userPin);
  await work(card);
}

async function opened(made: SimulatedToken) {
  const channel = new PulledCard(made);
  const card = await openOn(channel);
  let asked = 0;
  const pin = async () => {
    asked++;
    return userPin;
  };
  return { channel, card, options: { title: "demo", pin }, asked: () => asked };
}

function ref(leaf: Leaf, slot = 1): LeafRef {
  return { slot, leg: 0, leaf };
}

const p256 = { kind: "ec", curve: "secp256r1" } as const;

describe("a card as a source of keys", () => {
  test("an EC key: found where it was, one PIN, eight exchanges with SELECT and certificate", async () => {
    const made = await token("source ec");
    await withKeys(made, (card) => card.generateKeyPair({ type: p256, label: "other" }));
    await withKeys(made, (card) => card.generateKeyPair({ type: p256, label: "vault" }));
    const first = await opened(made);
    const { leaf, warnings } = await enrolCardKey(first.card, "vault", first.options);
    expect(warnings).toEqual([]);
    expect(leaf).toMatchObject({ kind: "card-ec", curve: "secp256r1", card: { keyLabel: "vault", keyRef: 2 } });
    expect(first.asked()).toBe(0);

    const again = await opened(made);
    const source = cardSource(again.card, again.options);
    const wanted = ref(leaf);
    expect(await source.match([wanted])).toEqual([{ ref: wanted, how: "certain" }]);
    expect(again.asked()).toBe(0);
    const key = (await source.keys([wanted])).get(wanted);
    if (key?.primitive !== "ecdh") throw new Error("no key");
    const shared = await key.agree(generator);
    // G times the private key is the public key: the simulator's own, told by the certificate.
    expect(leaf.kind === "card-ec" && shared).toEqual(leaf.kind === "card-ec" && leaf.point.slice(1, 33));
    expect(again.asked()).toBe(1);
    expect(again.channel.sent.length).toBeLessThanOrEqual(8);
    await source.keys([wanted]);
    expect(again.asked()).toBe(1);
  });

  test("a key that is elsewhere on the card is found by its public half, whatever the hints say", async () => {
    const made = await token("source moved");
    for (const label of ["one", "two", "three"])
      await withKeys(made, (card) => card.generateKeyPair({ type: p256, label }));
    const { card, options } = await opened(made);
    const { leaf } = await enrolCardKey(card, "three", options);
    if (leaf.kind !== "card-ec") throw new Error("no EC key");
    for (const hints of [{}, { keyRef: 1 }, { keyRef: 99 }, { serial: "OTHER", keyLabel: "one" }]) {
      const wanted = ref({ ...leaf, card: hints });
      expect(await cardSource(card, options).match([wanted])).toEqual([{ ref: wanted, how: "certain" }]);
    }
  });

  test("a card without the key is asked for no PIN", async () => {
    const made = await token("source there");
    await withKeys(made, (card) => card.generateKeyPair({ type: p256, label: "vault" }));
    const there = await opened(made);
    const { leaf } = await enrolCardKey(there.card, "vault", there.options);
    const other = await token("source elsewhere");
    await withKeys(other, (card) => card.generateKeyPair({ type: p256, label: "vault" }));
    const elsewhere = await opened(other);
    const source = cardSource(elsewhere.card, elsewhere.options);
    expect(await source.match([ref(leaf)])).toEqual([]);
    expect((await source.keys([ref(leaf)])).size).toBe(0);
    expect(elsewhere.asked()).toBe(0);
  });

  test("an RSA key gives the raw block", async () => {
    const made = await token("source rsa");
    await withKeys(made, (card) => card.generateKeyPair({ type: { kind: "rsa", bits: 2048 }, label: "vault" }));
    const { card, options } = await opened(made);
    const { leaf } = await enrolCardKey(card, "vault", options);
    const source = cardSource(card, options);
    const wanted = ref(leaf);
    await source.match([wanted]);
    const key = (await source.keys([wanted])).get(wanted);
    if (key?.primitive !== "rsa") throw new Error("no key");
    const one = new Uint8Array(256);
    one[255] = 1;
    expect(await key.decryptRaw(one)).toEqual(one);
  });

  test.each(["genuine", "pico"] as const)(
    "an AES key of a %s card: possible by its names, certain by its secret",
    async (profile) => {
      const made = await token(`source aes ${profile}`, profile);
      await withKeys(made, (card) => card.generateAesKey({ bits: 256, label: "vault" }));
      const first = await opened(made);
      const { leaf } = await enrolCardKey(first.card, "vault", first.options);
      expect(first.asked()).toBe(1);
      const second = await opened(made);
      const source = cardSource(second.card, second.options);
      const wanted = ref(leaf);
      expect(await source.match([wanted])).toEqual([{ ref: wanted, how: "possible" }]);
      const key = (await source.keys([wanted])).get(wanted);
      if (key?.primitive !== "x25519") throw new Error("no key");
      expect(key.secret.some((byte) => byte !== 0)).toBe(true);
      await source.close();
      expect(key.secret.every((byte) => byte === 0)).toBe(true);

      const other = await token("source other aes", profile);
      await withKeys(other, (card) => card.generateAesKey({ bits: 256, label: "vault" }));
      const third = await opened(other);
      const wrong = cardSource(third.card, third.options);
      expect(await wrong.match([wanted])).toHaveLength(1);
      expect((await wrong.keys([wanted])).size).toBe(0);
    },
  );

  test("what cannot work is told before a PIN is asked for", async () => {
    const made = await token("source limits");
    await withKeys(made, (card) =>
      card.generateKeyPair({ type: p256, label: "signing", algorithms: [algorithmIds.ecdsa] }),
    );
    await withKeys(made, (card) => card.generateKeyPair({ type: p256, label: "once", useCounter: 1 }));
    const { card, options, asked } = await opened(made);
    await expect(enrolCardKey(card, "signing", options)).rejects.toMatchObject({ code: "ALGORITHM_NOT_ALLOWED" });
    await expect(enrolCardKey(card, "none", options)).rejects.toMatchObject({ code: "KEY_NOT_FOUND" });
    const { leaf, warnings } = await enrolCardKey(card, "once", options);
    expect(warnings).toEqual([expect.stringContaining("1 more time;")]);
    const wanted = ref(leaf);
    const source = cardSource(card, options);
    await source.match([wanted]);
    const key = (await source.keys([wanted])).get(wanted);
    if (key?.primitive !== "ecdh") throw new Error("no key");
    await key.agree(generator);
    expect(asked()).toBe(1);

    const later = await opened(made);
    const exhausted = cardSource(later.card, later.options);
    expect(await exhausted.match([wanted])).toMatchObject([{ note: expect.stringContaining("no uses left") }]);
    await expect(exhausted.keys([wanted])).rejects.toMatchObject({ code: "KEY_USED_UP" });
    expect(later.asked()).toBe(0);
  });

  test("a wrong PIN costs one try, however often keys are asked for", async () => {
    const made = await token("source pin");
    await withKeys(made, (card) => card.generateKeyPair({ type: p256, label: "vault" }));
    const { card, options } = await opened(made);
    const { leaf } = await enrolCardKey(card, "vault", options);
    let asked = 0;
    const source = cardSource(card, {
      ...options,
      pin: async () => {
        asked++;
        return utf8Bytes("111111");
      },
    });
    const wanted = ref(leaf);
    await source.match([wanted]);
    for (let i = 0; i < 3; i++)
      await expect(source.keys([wanted])).rejects.toMatchObject({ code: "PIN_WRONG", triesLeft: 2 });
    expect(asked).toBe(1);
  });

  test("unsuitable keys: a curve without a stanza", async () => {
    const made = await token("source curve");
    await withKeys(made, (card) => card.generateKeyPair({ type: { kind: "ec", curve: "secp192r1" }, label: "small" }));
    const { card, options } = await opened(made);
    await expect(enrolCardKey(card, "small", options)).rejects.toMatchObject({ code: "VAULT_KEY_UNSUITABLE" });
  });

  test("a card that is pulled at any moment is a transport fault, and the PIN is sent once at most", async () => {
    const made = await token("source pulled");
    await withKeys(made, (card) => card.generateKeyPair({ type: p256, label: "vault" }));
    const { card, options } = await opened(made);
    const { leaf } = await enrolCardKey(card, "vault", options);
    const wanted = ref(leaf);
    // SELECT, certificate of the key, its metadata, identity, counter, VERIFY, ECDH.
    for (let at = 1; at < 7; at++) {
      for (const when of ["before", "after"] as const) {
        const channel = new PulledCard(made, { at, when });
        const pulled = await openOn(channel);
        const source = cardSource(pulled, options);
        const use = async () => {
          await source.match([wanted]);
          const key = (await source.keys([wanted])).get(wanted);
          if (key?.primitive === "ecdh") await key.agree(generator);
        };
        await expect(use(), `${when} ${at}`).rejects.toBeInstanceOf(TransportError);
        expect(channel.count(0x20)).toBeLessThanOrEqual(1);
      }
    }
    const after = await opened(made);
    expect(await after.card.pinState("user-pin")).toMatchObject({ triesLeft: 3 });
  });
});
