import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { encodeCommand } from "../../../src/apdu/command.ts";
import { TransportError } from "../../../src/apdu/transport-error.ts";
import { utf8Bytes } from "../../../src/bytes/bytes.ts";
import { fromHex, toHex } from "../../../src/bytes/hex.ts";
import { encodeTlv } from "../../../src/bytes/tlv.ts";
import { generateAesKeyCommand, generateKeyPairCommand } from "../../../src/cards/smartcard-hsm/keys/generate.ts";
import { decodeKeyMetadata, encodeKeyMetadata } from "../../../src/cards/smartcard-hsm/keys/key-metadata.ts";
import { aesTemplate, keyPairTemplate } from "../../../src/cards/smartcard-hsm/keys/key-template.ts";
import { SmartCardHsm } from "../../../src/cards/smartcard-hsm/smartcard-hsm.ts";
import { HsmError } from "../../../src/errors.ts";
import { textAt, vectors } from "../../crypto/vectors.ts";
import { KeyCard } from "../support/key-card.ts";

const apdus = vectors("apdus");
const pin = utf8Bytes("648219");
const ec = { kind: "ec", curve: "secp256r1" } as const;

async function open(card: KeyCard): Promise<{ driver: SmartCardHsm; sent: () => string[] }> {
  const driver = await SmartCardHsm.open(card);
  await driver.verifyUserPin(pin);
  await driver.identity();
  const before = card.sent.length;
  return { driver, sent: () => card.sent.slice(before) };
}

describe("commands that make keys are those of the vectors", () => {
  const options = { extended: true, patienceMs: 1, token: "x" };
  const hexOf = (template: Uint8Array, ref: number): string =>
    toHex(encodeCommand(generateKeyPairCommand(ref, template, options).apdu));

  test("EC, RSA and AES", () => {
    const holder = (template: string): string => String.fromCharCode(...fromHex(textAt(apdus, template).slice(-32)));
    expect(toHex(keyPairTemplate(ec, holder("ec_template"), {}))).toBe(textAt(apdus, "ec_template"));
    const rsa = { kind: "rsa", bits: 2048 } as const;
    expect(toHex(keyPairTemplate(rsa, holder("rsa_template"), {}))).toBe(textAt(apdus, "rsa_template"));
    expect(hexOf(fromHex(textAt(apdus, "ec_template")), 1)).toBe(textAt(apdus, "apdus", "generate_ec_p256_id1"));
    expect(
      toHex(
        encodeCommand(generateAesKeyCommand(3, 256, aesTemplate({ algorithms: [0x10, 0x11, 0x18, 0x99] }), "x").apdu),
      ),
    ).toBe("804803B206910410111899");
  });

  test("limits go behind the template, in the order of their tags", () => {
    const limits = { algorithms: [0x73, 0x92], useCounter: 5, domain: 2 };
    expect(toHex(keyPairTemplate({ kind: "rsa", bits: 4096 }, "UT00001", limits))).toMatch(
      /020210005F20075554303030303190040000000591027392920102$/,
    );
  });

  test.each([
    [{ kind: "rsa", bits: 2049 }, {}, "KEY_TYPE_INVALID"],
    [{ kind: "ec", curve: "P-256" }, {}, "KEY_TYPE_INVALID"],
    [ec, { useCounter: 0 }, "KEY_LIMITS_INVALID"],
    [ec, { useCounter: 0xffffffff }, "KEY_LIMITS_INVALID"],
    [ec, { useCounter: 1.5 }, "KEY_LIMITS_INVALID"],
    [ec, { domain: 256 }, "KEY_LIMITS_INVALID"],
    [ec, { algorithms: [] }, "KEY_LIMITS_INVALID"],
  ] as const)("%j with %j: %s, and nothing is sent", async (type, limits, code) => {
    const { driver, sent } = await open(KeyCard.loggedIn());
    await expect(driver.generateKeyPair({ type, label: "x", ...limits })).rejects.toMatchObject({
      code,
      kind: "usage",
    });
    expect(sent()).toEqual([]);
  });
});

describe("a new key", () => {
  test("pair: made, kept with its request, described, found by each of its names", async () => {
    const card = KeyCard.loggedIn();
    const { driver, sent } = await open(card);
    const key = await driver.generateKeyPair({ type: ec, label: "ec one", id: fromHex("0A0B"), algorithms: [0x70] });
    expect(sent().map((hex) => hex.slice(0, 4))).toEqual(["8058", "0046", "00D7", "00D7"]);
    expect(key).toMatchObject({ ref: 1, label: "ec one", kind: "ec", curve: "secp256r1", bits: 256, problems: [] });
    for (const name of ["ec one", "0a0b", "1"]) {
      const found = await driver.findKey(name);
      expect(found).toEqual({ ...key, metadata: { algorithms: [0x70], usesLeft: null, domain: null } });
    }
    expect(toHex(card.files.get(0xc401) ?? new Uint8Array(0))).toMatch(/^A0..30..0C0665 ?63206F6E65/);
  });

  test("RSA-2048 and AES beside it; the gap of a deleted key is used again", async () => {
    const card = KeyCard.loggedIn();
    const { driver } = await open(card);
    const rsa = await driver.generateKeyPair({ type: { kind: "rsa", bits: 2048 }, label: "rsa" });
    expect(rsa).toMatchObject({ ref: 1, kind: "rsa", bits: 2048, id: Uint8Array.of(1) });
    const aes = await driver.generateAesKey({ bits: 256, label: "aes" });
    expect(aes).toMatchObject({
      ref: 2,
      kind: "aes",
      bits: 256,
      metadata: { algorithms: [0x10, 0x11, 0x18, 0x99, 0x92] },
    });
    expect((await driver.listKeys({ metadata: true }))[1]).toEqual(aes);
    await driver.deleteKey(1);
    expect((await driver.generateAesKey({ bits: 128, label: "again" })).ref).toBe(1);
    expect((await driver.listKeys()).map(({ label }) => label)).toEqual(["again", "aes"]);
  });

  test("a card that answers nothing has left its request in the file", async () => {
    const card = KeyCard.loggedIn();
    card.silentGeneration = true;
    const { driver } = await open(card);
    expect(await driver.generateKeyPair({ type: ec, label: "x" })).toMatchObject({ ref: 1, certificate: "request" });
  });

  test("never in the place of another key", async () => {
    const card = KeyCard.loggedIn();
    card.addEc(7);
    const { driver, sent } = await open(card);
    await expect(driver.generateKeyPair({ type: ec, label: "x", ref: 7 })).rejects.toMatchObject({
      code: "KEY_REFERENCE_TAKEN",
      kind: "conflict",
    });
    await expect(driver.generateAesKey({ bits: 128, label: "x", ref: 7 })).rejects.toMatchObject({ kind: "conflict" });
    await expect(driver.unwrapKey(new Uint8Array(100), 7)).rejects.toMatchObject({ kind: "conflict" });
    expect(sent().every((hex) => hex.startsWith("8058"))).toBe(true);
  });

  test.each([
    ["6982", "NOT_LOGGED_IN"],
    ["6A81", "KEY_TYPE_NOT_SUPPORTED"],
    ["6A84", "TOKEN_FULL"],
    ["6985", "DKEK_SHARES_PENDING"],
    ["6A88", "KEY_DOMAIN_NOT_FOUND"],
    ["6A89", "KEY_REFERENCE_TAKEN"],
  ])("the card answers %s: %s, and nothing is left", async (answer, code) => {
    for (const make of [
      (driver: SmartCardHsm) => driver.generateKeyPair({ type: ec, label: "x" }),
      (driver: SmartCardHsm) => driver.generateAesKey({ bits: 256, label: "x" }),
    ]) {
      const card = KeyCard.loggedIn();
      const { driver } = await open(card);
      card.before = (_, command) => (command[1] === 0x46 || command[1] === 0x48 ? fromHex(answer) : undefined);
      await expect(make(driver)).rejects.toMatchObject({ code });
      expect([...card.files.keys()]).toEqual([]);
    }
  });

  test("another kind of key than was asked for is taken away again", async () => {
    const card = KeyCard.loggedIn();
    card.addEc(9, "secp384r1");
    const other = card.files.get(0xce09) ?? new Uint8Array(0);
    const { driver } = await open(card);
    card.before = between(card, 0x46, fromHex(`${toHex(other)}9000`));
    await expect(driver.generateKeyPair({ type: ec, label: "x" })).rejects.toMatchObject({ code: "KEY_NOT_AS_ASKED" });
    expect((await driver.listKeys()).map(({ ref }) => ref)).toEqual([9]);
  });

  test("without memory for the description the key is taken away again", async () => {
    const card = KeyCard.loggedIn();
    const { driver } = await open(card);
    const work = card.before;
    card.before = (index, command) => (command[1] === 0xd7 ? fromHex("6A84") : work?.(index, command));
    await expect(driver.generateKeyPair({ type: ec, label: "x" })).rejects.toMatchObject({ code: "TOKEN_FULL" });
    expect([...card.files.keys()]).toEqual([]);
  });

  test("torn out before it was described: told, with what to do", async () => {
    const card = KeyCard.loggedIn();
    const { driver } = await open(card);
    const work = card.before;
    card.before = (index, command) =>
      command[1] === 0xd7 ? new TransportError("CARD_REMOVED", "gone", { layer: "test" }) : work?.(index, command);
    await expect(driver.generateKeyPair({ type: ec, label: "x" })).rejects.toMatchObject({
      code: "KEY_NOT_DESCRIBED",
      kind: "partial",
      details: { ref: 1 },
      advice: expect.stringContaining("ref:1"),
    });
    // As it says: the next name describes it.
    card.before = work;
    expect((await driver.listKeys())[0]).toMatchObject({ ref: 1, label: "" });
  });
});

/** Makes the card work on the command, then answer something else. */
function between(card: KeyCard, ins: number, answer: Uint8Array): KeyCard["before"] {
  const work = card.before;
  return (index, command) => {
    const own = work?.(index, command);
    return command[1] === ins ? answer : own;
  };
}

describe("names and ends of keys", () => {
  test("rename keeps everything but the label; one that shrinks leaves no tail to be seen", async () => {
    const card = KeyCard.loggedIn();
    const { driver, sent } = await open(card);
    const before = await driver.generateKeyPair({ type: ec, label: "a much longer label", usage: ["sign"] });
    const count = sent().length;
    await driver.renameKey(1, "b");
    expect(
      sent()
        .slice(count)
        .map((hex) => hex.slice(0, 8)),
    ).toEqual(["00B1C401", "00D7C401"]);
    const [after] = await driver.listKeys();
    expect(after).toMatchObject({ label: "b", id: before.id, usage: ["sign"], problems: [] });
    expect(after?.descriptionBytes?.length).toBeLessThan(before.descriptionBytes?.length ?? 0);
  });

  test("rename describes a key that has no description; not one that nobody knows", async () => {
    const card = KeyCard.loggedIn();
    card.addRsa(4);
    card.files.set(0xcc05, new Uint8Array(0));
    const { driver } = await open(card);
    await driver.renameKey(4, "found");
    expect(await driver.findKey("found")).toMatchObject({ ref: 4, kind: "rsa", bits: 1024, problems: [] });
    await expect(driver.renameKey(5, "x")).rejects.toMatchObject({ code: "KEY_KIND_UNKNOWN" });
    await expect(driver.renameKey(6, "x")).rejects.toMatchObject({ code: "KEY_NOT_FOUND" });
    await expect(driver.renameKey(4, "\n")).rejects.toMatchObject({ code: "KEY_DESCRIPTION_INVALID" });
  });

  test("delete: key, description, certificate in this order; broken off anywhere it can be finished", async () => {
    for (let at = 0; at < 3; at++) {
      const card = KeyCard.loggedIn();
      const { driver, sent } = await open(card);
      await driver.generateKeyPair({ type: ec, label: "x" });
      const count = sent().length;
      const work = card.before;
      card.before = (index, command) =>
        toHex(command).startsWith(`00E4020002${["CC", "C4", "CE"][at]}`)
          ? new TransportError("CARD_REMOVED", "gone", { layer: "test" })
          : work?.(index, command);
      await expect(driver.deleteKey(1)).rejects.toThrow("gone");
      card.before = work;
      await driver.deleteKey(1);
      expect(
        sent()
          .slice(count)
          .map((hex) => hex.slice(-4))
          .slice(-3),
      ).toEqual(["CC01", "C401", "CE01"]);
      expect([...card.files.keys()]).toEqual([]);
      await expect(driver.deleteKey(1)).rejects.toMatchObject({ code: "KEY_NOT_FOUND" });
    }
  });

  test("a certificate in place of the request: refused when it is none, nothing is sent", async () => {
    const card = KeyCard.loggedIn();
    card.addEc(1);
    const { driver, sent } = await open(card);
    const request = card.files.get(0xce01) ?? new Uint8Array(0);
    await driver.writeKeyCertificate(1, request);
    expect((await driver.readKey(1)).certificate).toBe("request");
    const count = sent().length;
    for (const bad of [new Uint8Array(0), fromHex("3003020101"), request.subarray(0, 100)]) {
      await expect(driver.writeKeyCertificate(1, bad)).rejects.toMatchObject({ kind: "check-failed" });
    }
    expect(sent()).toHaveLength(count);
  });

  test("the device key is nobody's to delete", async () => {
    const { driver, sent } = await open(KeyCard.loggedIn());
    await expect(driver.deleteKey(0)).rejects.toMatchObject({ code: "KEY_REFERENCE_INVALID" });
    await expect(driver.wrapKey(0)).rejects.toMatchObject({ code: "KEY_REFERENCE_INVALID" });
    expect(sent()).toEqual([]);
  });
});

describe("metadata in the answer to SELECT", () => {
  test("as Pico HSM and as newer genuine cards wrap them", () => {
    const inner = "9004000000059102739292 0101".replace(" ", "");
    const expected = { usesLeft: 5, algorithms: [0x73, 0x92], domain: 1 };
    for (const hex of [`621E810200308201018302CC018A0105A5810D${inner}`, `6F0FA50D${inner}`]) {
      expect(decodeKeyMetadata(fromHex(hex))).toEqual(expected);
    }
  });

  test("a counter of FFFFFFFF is none", () => {
    expect(decodeKeyMetadata(fromHex("6F08A5069004FFFFFFFF"))).toMatchObject({ usesLeft: null });
    expect(decodeKeyMetadata(fromHex("6F08A506900400000000"))).toMatchObject({ usesLeft: 0 });
  });

  test("what is written is read again; anything else is not known, and no error", () => {
    const metadata = fc.record({
      usesLeft: fc.option(fc.integer({ min: 0, max: 0xfffffffe })),
      algorithms: fc.option(fc.array(fc.integer({ min: 0, max: 255 }), { minLength: 1, maxLength: 16 })),
      domain: fc.option(fc.integer({ min: 0, max: 255 })),
    });
    fc.assert(
      fc.property(metadata, fc.uint8Array({ maxLength: 40 }), (wish, noise) => {
        expect(decodeKeyMetadata(encodeTlv(0x6f, encodeTlv(0xa5, encodeKeyMetadata(wish))))).toEqual(wish);
        for (const bytes of [noise, encodeTlv(0x62, noise), encodeTlv(0x62, encodeTlv(0xa5, noise))])
          decodeKeyMetadata(bytes);
        expect(decodeKeyMetadata(encodeTlv(0x62, encodeTlv(0x82, noise)))).toBeNull();
      }),
    );
  });
});

test("whatever a card answers while keys are listed: keys, or an error of ours", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.uint8Array({ maxLength: 30 }), { minLength: 12, maxLength: 12 }),
      fc.constantFrom("9000", "6282", "6A82", "6A88", "6700", "6F00"),
      fc.boolean(),
      async (answers, sw, flip) => {
        const card = KeyCard.loggedIn();
        card.addEc(1);
        card.addRsa(2);
        const driver = await SmartCardHsm.open(card);
        const start = card.sent.length;
        const work = card.before;
        card.before = (index, command) => {
          const noise = answers[index - start];
          if (noise === undefined || (flip && index % 2 === 0)) return work?.(index, command);
          return fromHex(`${toHex(noise)}${sw}`);
        };
        try {
          const keys = await driver.listKeys({ metadata: true });
          for (const { ref } of keys) expect(ref).toBeGreaterThan(0);
        } catch (error) {
          expect(error).toBeInstanceOf(HsmError);
        }
      },
    ),
    { numRuns: 60 },
  );
});

const everything: readonly ((driver: SmartCardHsm) => Promise<unknown>)[] = [
  (driver) => driver.generateKeyPair({ type: ec, label: "x" }),
  (driver) => driver.generateAesKey({ bits: 256, label: "x" }),
  (driver) => driver.findKey("1"),
  (driver) => driver.publicKey(1),
  (driver) => driver.renameKey(1, "y"),
  (driver) => driver.deleteKey(1),
  async (driver) => driver.sign(await driver.readKey(2), { scheme: "pkcs1", hash: "sha256" }, pin),
  async (driver) => driver.sign(await driver.readKey(1), { scheme: "ecdsa", hash: "sha384" }, pin),
  async (driver) => driver.decrypt(await driver.readKey(2), { scheme: "pkcs1" }, new Uint8Array(128)),
  (driver) => driver.wrapKey(1),
  (driver) => driver.unwrapKey(new Uint8Array(2000)),
  (driver) => driver.importDkekShare(new Uint8Array(32).fill(1)),
  (driver) => driver.keyDomains(),
  (driver) => driver.createKeyDomain(1, 1),
  (driver) => driver.deleteKeyDomain(1),
];

test.each(everything.map((work, index) => [index, work] as const))(
  "whatever a card answers at any point of verb %i: a result or an error of ours, in bounded time",
  async (_, work) => {
    await fc.assert(
      fc.asyncProperty(
        fc.nat(5),
        fc.uint8Array({ maxLength: 40 }),
        fc.constantFrom("9000", "6282", "6A82", "6A88", "6700", "6985", "6F00", "", "90"),
        fc.boolean(),
        async (from, noise, sw, forever) => {
          const card = KeyCard.loggedIn();
          card.addEc(1);
          card.addRsa(2);
          const driver = await SmartCardHsm.open(card);
          await driver.verifyUserPin(pin);
          const start = card.sent.length;
          const own = card.before;
          card.before = (index, command) => {
            const hit = forever ? index >= start + from : index === start + from;
            return hit ? fromHex(`${toHex(noise)}${sw}`) : own?.(index, command);
          };
          await work(driver).catch((error: unknown) => expect(error).toBeInstanceOf(HsmError));
          expect(card.sent.length).toBeLessThan(600);
        },
      ),
      { numRuns: 25 },
    );
  },
);
