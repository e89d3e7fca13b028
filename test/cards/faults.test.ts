import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { TransportError } from "../../src/apdu/transport-error.ts";
import { concat, utf8Bytes } from "../../src/bytes/bytes.ts";
import { fromHex } from "../../src/bytes/hex.ts";
import { SmartCardHsm } from "../../src/cards/smartcard-hsm/smartcard-hsm.ts";
import { HsmError } from "../../src/errors.ts";
import { FakeToken } from "./support/fake-token.ts";

const pin = utf8Bytes("648219");
const next = utf8Bytes("another-pin");
const soPin = fromHex("3537363231383830");

const stories: readonly [string, (card: SmartCardHsm) => Promise<unknown>, attempts: number][] = [
  [
    "status",
    async (card) => {
      await card.identity();
      await card.label();
      return card.status({ keyDomains: true });
    },
    0,
  ],
  [
    "initialise, log in, label, status",
    async (card) => {
      await card.initialize({ soPin, userPin: pin, dkek: { kind: "shares", shares: 1 } });
      await card.verifyUserPin(pin);
      await card.writeLabel("demo");
      return card.status();
    },
    2,
  ],
  ["change the user PIN", (card) => card.changeUserPin({ current: pin, next }), 1],
  ["change the SO-PIN", (card) => card.changeSoPin({ current: soPin, next: fromHex("0123456789ABCDEF") }), 1],
  ["unblock", (card) => card.unblockUserPin({ soPin, next }), 1],
  [
    "files and random bytes",
    async (card) => {
      await card.listFiles();
      await card.random(20);
      return card.readFile(0xcf01);
    },
    0,
  ],
];

/** Empty, cut, overlong, random bytes, another status word, right data with a wrong length inside. */
const nonsense: fc.Arbitrary<(right: Uint8Array) => Uint8Array> = fc.oneof(
  fc.constant(() => new Uint8Array(0)),
  fc.constant(() => fromHex("90")),
  fc.uint8Array({ maxLength: 40 }).map((bytes) => () => bytes),
  fc.uint8Array({ minLength: 300, maxLength: 3000 }).map((bytes) => () => concat(bytes, fromHex("9000"))),
  fc.integer({ min: 0, max: 0xffff }).map((sw) => () => Uint8Array.of(sw >> 8, sw & 0xff)),
  fc
    .constantFrom("6282", "6300", "6983", "6984", "6985", "6A84", "6A88", "6C10", "6110", "63C0", "63CF")
    .map((sw) => () => fromHex(sw)),
  fc.nat(200).map((at) => (right: Uint8Array) => right.subarray(0, at % (right.length + 1))),
  fc.tuple(fc.nat(200), fc.integer({ min: 1, max: 255 })).map(([at, flip]) => (right: Uint8Array) => {
    const bytes = right.slice();
    if (bytes.length > 0) bytes[at % bytes.length] = (bytes[at % bytes.length] ?? 0) ^ flip;
    return bytes;
  }),
);

describe.each(stories)("%s", (_, story, allowed) => {
  test("any nonsense at any step: an error of ours or a result, and never one PIN more", async () => {
    await fc.assert(
      fc.asyncProperty(fc.dictionary(fc.nat(14).map(String), nonsense, { maxKeys: 4 }), async (bad) => {
        const token = FakeToken.initialised();
        token.files.set(0x2f02, fromHex("7F21035F370100"));
        token.files.set(0xcf01, fromHex("0102030405"));
        token.after = (index, answer) => bad[String(index)]?.(answer);
        try {
          await story(await SmartCardHsm.open(token));
        } catch (error) {
          expect(error).toBeInstanceOf(HsmError);
        }
        // INITIALIZE answered 6A84 with an unmoved counter is the one thing that may go twice.
        expect(token.attempts.length).toBeLessThanOrEqual(allowed + Number(token.initialisations.length > 1));
        expect(token.initialisations.length).toBeLessThanOrEqual(2);
        const others = token.attempts.filter((hex) => !hex.startsWith("8050"));
        expect(new Set(others).size).toBe(others.length);
        expect(token.sent.length).toBeLessThan(600);
      }),
      { numRuns: 250 },
    );
  });

  test("a card that answers the same nonsense to everything", async () => {
    await fc.assert(
      fc.asyncProperty(nonsense, async (bad) => {
        const token = FakeToken.initialised();
        token.after = (index, answer) => (index === 0 ? undefined : bad(answer));
        await story(await SmartCardHsm.open(token)).catch((error) => expect(error).toBeInstanceOf(HsmError));
        expect(token.attempts.length).toBeLessThanOrEqual(allowed + 1);
      }),
      { numRuns: 100 },
    );
  });
});

describe("pulled out at every exchange, before or after the token did its work", () => {
  const removed = (): Error => new TransportError("CARD_REMOVED", "the token was taken out");

  async function pull(
    token: FakeToken,
    at: number,
    worked: boolean,
    story: (card: SmartCardHsm) => Promise<unknown>,
  ): Promise<boolean> {
    const cut = (index: number): Error | undefined => (index < at ? undefined : removed());
    if (worked) token.after = cut;
    else token.before = cut;
    let whole = true;
    try {
      await story(await SmartCardHsm.open(token));
    } catch (error) {
      expect(error).toMatchObject({ code: "CARD_REMOVED", kind: "device" });
      whole = false;
    }
    token.after = undefined;
    token.before = undefined;
    token.powerCycle();
    return whole;
  }

  const initialise = async (card: SmartCardHsm): Promise<unknown> => {
    await card.initialize({ soPin, userPin: pin, dkek: { kind: "none" } });
    await card.verifyUserPin(pin);
    return card.writeLabel("demo");
  };

  test.each([
    ["a new token", () => new FakeToken()],
    ["an initialised token", () => FakeToken.initialised()],
  ])("initialise %s: the state is told, and a second run finishes", async (_, make) => {
    for (const worked of [false, true]) {
      for (let at = 0; ; at++) {
        const token = make();
        const whole = await pull(token, at, worked, initialise);
        const { state } = await (await SmartCardHsm.open(token)).status();
        expect(["uninitialised", "operational"]).toContain(state);
        await initialise(await SmartCardHsm.open(token));
        const card = await SmartCardHsm.open(token);
        expect(await card.status()).toMatchObject({ state: "operational", userPin: { triesLeft: 3 } });
        expect(await card.label()).toBe("demo");
        expect(token.soTries).toBe(15);
        if (whole) break;
        expect(at).toBeLessThan(20);
      }
    }
  });

  test("change the user PIN: it is the old or the new one, and no try is gone", async () => {
    for (const worked of [false, true]) {
      for (let at = 0; ; at++) {
        const token = FakeToken.initialised();
        const whole = await pull(token, at, worked, (card) => card.changeUserPin({ current: pin, next }));
        const card = await SmartCardHsm.open(token);
        expect(await card.status()).toMatchObject({ state: "operational", userPin: { triesLeft: 3 } });
        const now = token.userPin ?? new Uint8Array(0);
        expect([pin, next]).toContainEqual(now);
        await card.changeUserPin({ current: now, next: pin });
        if (whole) break;
        expect(at).toBeLessThan(20);
      }
    }
  });
});
