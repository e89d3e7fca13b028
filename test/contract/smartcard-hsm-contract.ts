import { describe, expect, test } from "vitest";
import type { AttemptPolicy } from "../../src/cards/smartcard-hsm/attempt-policy.ts";
import { defaultAttemptPolicy } from "../../src/cards/smartcard-hsm/attempt-policy.ts";
import type { InitializeSettings } from "../../src/cards/smartcard-hsm/initialize.ts";
import { checkSoPin } from "../../src/cards/smartcard-hsm/pins.ts";
import { SmartCardHsm } from "../../src/cards/smartcard-hsm/smartcard-hsm.ts";
import type { Subject, SubjectTraits, WithSubject } from "./subject.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const userPin = bytes("648219");
const otherPin = bytes("91827364");
const wrongPin = bytes("111111");

/** What a SmartCard-HSM does, whoever plays it: the simulator in both profiles, a recording, a card. */
export function smartCardHsmContract(
  name: string,
  withSubject: WithSubject,
  traits: SubjectTraits,
  soPinHex: string,
): void {
  const soPin = checkSoPin(bytes(soPinHex));

  /** Opens a connection, uses the token and gives it back, as one command would. */
  async function use<T>(
    subject: Subject,
    work: (card: SmartCardHsm) => Promise<T>,
    policy: Partial<AttemptPolicy> = {},
  ) {
    const channel = await subject.connect();
    try {
      return await work(await SmartCardHsm.open(channel, { policy: { ...defaultAttemptPolicy, ...policy } }));
    } finally {
      await channel.close();
    }
  }

  async function initialise(subject: Subject, more: Partial<InitializeSettings> = {}) {
    const settings: InitializeSettings = { soPin, userPin, dkek: { kind: "none" }, ...more };
    await use(subject, (card) => card.initialize(settings));
  }

  const status = (subject: Subject) => use(subject, (card) => card.status());

  /** A test that only some subjects can take: the others do not have it, so that nothing is left out silently. */
  const testIf = (condition: boolean, what: string, body: () => Promise<void>) => {
    if (condition) test(what, body);
  };

  describe(name, () => {
    testIf(traits.fresh, "says that it was never initialised, and knows no PIN", () =>
      withSubject(async (subject) => {
        const { state, userPin: user, soPin: so } = await status(subject);
        expect({ state, user: user.state, so: so.state }).toEqual({
          state: "uninitialised",
          user: "uninitialised",
          so: "uninitialised",
        });
      }),
    );

    test("is recognised by SELECT and tells version and serial", () =>
      withSubject(async (subject) => {
        await initialise(subject);
        await use(subject, async (card) => {
          expect(card.application.version.major).toBeGreaterThanOrEqual(1);
          const { serial, chr, key } = await card.identity();
          expect(chr.startsWith(serial)).toBe(true);
          expect(chr.length - serial.length).toBe(5);
          expect(key).toMatch(/^[0-9A-Fa-f]{64}$/);
        });
      }));

    test("after initialisation it is operational with all tries", () =>
      withSubject(async (subject) => {
        await initialise(subject, { retries: 3 });
        const { state, userPin: user, soPin: so, dkek } = await status(subject);
        expect(state).toBe("operational");
        expect(user).toMatchObject({ state: "ready", triesLeft: 3 });
        expect(so).toMatchObject({ state: "ready", triesLeft: 15 });
        expect(dkek.state).toBe("none");
      }));

    test("asking for the state spends no try", () =>
      withSubject(async (subject) => {
        await initialise(subject);
        const first = await status(subject);
        for (let i = 0; i < 5; i++) expect(await status(subject)).toEqual(first);
      }));

    test("takes a label after login and keeps it", () =>
      withSubject(async (subject) => {
        await initialise(subject);
        await use(subject, async (card) => {
          expect(await card.label()).toBeNull();
          await card.verifyUserPin(userPin);
          await card.writeLabel("Vault Zürich 1");
        });
        expect(await use(subject, (card) => card.label())).toBe("Vault Zürich 1");
      }));

    test("writes nothing without a login, nor after SELECT ended it", () =>
      withSubject(async (subject) => {
        await initialise(subject);
        await expect(use(subject, (card) => card.writeLabel("nobody"))).rejects.toMatchObject({
          code: "NOT_LOGGED_IN",
        });
        await use(subject, async (card) => {
          await card.verifyUserPin(userPin);
          await card.logout();
          await expect(card.writeLabel("nobody")).rejects.toMatchObject({ code: "NOT_LOGGED_IN" });
        });
      }));

    test("a wrong PIN costs one try and says so, the right one gives all back", () =>
      withSubject(async (subject) => {
        await initialise(subject);
        await expect(use(subject, (card) => card.verifyUserPin(wrongPin))).rejects.toMatchObject({
          code: "PIN_WRONG",
          kind: "authentication",
          triesLeft: 2,
          which: "user-pin",
        });
        expect((await status(subject)).userPin.triesLeft).toBe(2);
        await use(subject, (card) => card.verifyUserPin(userPin));
        expect((await status(subject)).userPin.triesLeft).toBe(3);
      }));

    test("the last try is refused by the host and stays on the token", () =>
      withSubject(async (subject) => {
        await initialise(subject);
        await expect(use(subject, (card) => card.verifyUserPin(wrongPin))).rejects.toMatchObject({ triesLeft: 2 });
        await expect(use(subject, (card) => card.verifyUserPin(bytes("222222")))).rejects.toMatchObject({
          triesLeft: 1,
        });
        await expect(use(subject, (card) => card.verifyUserPin(userPin))).rejects.toMatchObject({
          code: "TRIES_FLOOR",
          kind: "refused",
        });
        expect((await status(subject)).userPin.triesLeft).toBe(1);
        await use(subject, (card) => card.verifyUserPin(userPin), { minTries: 0 });
        expect((await status(subject)).userPin.triesLeft).toBe(3);
      }));

    test("one connection never sends the same wrong PIN twice", () =>
      withSubject(async (subject) => {
        await initialise(subject);
        await use(subject, async (card) => {
          await expect(card.verifyUserPin(wrongPin)).rejects.toMatchObject({ code: "PIN_WRONG" });
          await expect(card.verifyUserPin(wrongPin)).rejects.toMatchObject({
            code: "PIN_REFUSED_BEFORE",
            kind: "refused",
          });
        });
        expect((await status(subject)).userPin.triesLeft).toBe(2);
      }));

    test("wrong, blocked, unblocked by the SO-PIN with a new PIN", () =>
      withSubject(async (subject) => {
        await initialise(subject);
        for (const pin of ["111111", "222222", "333333"]) {
          await expect(use(subject, (card) => card.verifyUserPin(bytes(pin)), { minTries: 0 })).rejects.toThrow();
        }
        expect(await status(subject)).toMatchObject({ state: "user-pin-blocked", userPin: { state: "blocked" } });
        await expect(use(subject, (card) => card.verifyUserPin(userPin))).rejects.toMatchObject({ kind: "blocked" });
        await use(subject, (card) => card.unblockUserPin({ soPin, next: otherPin }));
        await use(subject, (card) => card.verifyUserPin(otherPin));
        expect(await status(subject)).toMatchObject({ state: "operational", userPin: { triesLeft: 3 } });
      }));

    test("resets the counter only, where it was initialised for that", () =>
      withSubject(async (subject) => {
        await initialise(subject, { pinReset: "counter-only" });
        await expect(use(subject, (card) => card.verifyUserPin(wrongPin))).rejects.toMatchObject({ triesLeft: 2 });
        await use(subject, (card) => card.unblockUserPin({ soPin }));
        expect((await status(subject)).userPin.triesLeft).toBe(3);
        await use(subject, (card) => card.verifyUserPin(userPin));
      }));

    test("does not unblock where it was initialised without that", () =>
      withSubject(async (subject) => {
        await initialise(subject, { pinReset: "never" });
        await expect(use(subject, (card) => card.unblockUserPin({ soPin, next: otherPin }))).rejects.toMatchObject({
          code: "PIN_RESET_NOT_ENABLED",
        });
        expect((await status(subject)).soPin.triesLeft).toBe(15);
      }));

    test("changes the user PIN; the old one is wrong from then on", () =>
      withSubject(async (subject) => {
        await initialise(subject);
        await use(subject, (card) => card.changeUserPin({ current: userPin, next: otherPin }));
        await expect(use(subject, (card) => card.verifyUserPin(userPin))).rejects.toMatchObject({ triesLeft: 2 });
        await use(subject, (card) => card.verifyUserPin(otherPin));
      }));

    test("a wrong current PIN in a change costs a try and changes nothing", () =>
      withSubject(async (subject) => {
        await initialise(subject);
        await expect(
          use(subject, (card) => card.changeUserPin({ current: wrongPin, next: otherPin })),
        ).rejects.toMatchObject({
          triesLeft: 2,
        });
        await use(subject, (card) => card.verifyUserPin(userPin));
      }));

    testIf(traits.expendable, "changes the SO-PIN", () =>
      withSubject(async (subject) => {
        const next = checkSoPin(bytes("A1B2C3D4E5F60718"));
        await initialise(subject);
        await use(subject, (card) => card.changeSoPin({ current: soPin, next }));
        await use(subject, (card) => card.unblockUserPin({ soPin: next, next: otherPin }));
        expect((await status(subject)).soPin).toMatchObject({ triesLeft: 15 });
      }),
    );

    testIf(traits.expendable, "a wrong SO-PIN costs a try of fifteen", () =>
      withSubject(async (subject) => {
        await initialise(subject);
        const wrong = checkSoPin(bytes("0000000000000000"));
        await expect(
          use(subject, (card) => card.unblockUserPin({ soPin: wrong, next: otherPin })),
        ).rejects.toMatchObject({
          code: "SO_PIN_WRONG",
          which: "so-pin",
          triesLeft: 14,
        });
        expect((await status(subject)).soPin.triesLeft).toBe(14);
      }),
    );

    testIf(
      traits.expendable && traits.profile === "genuine",
      "re-initialising with a wrong SO-PIN costs a try and erases nothing",
      () =>
        withSubject(async (subject) => {
          await initialise(subject);
          const wrong = checkSoPin(bytes("0000000000000000"));
          await expect(initialise(subject, { soPin: wrong, userPin: otherPin })).rejects.toMatchObject({
            triesLeft: 14,
          });
          await use(subject, (card) => card.verifyUserPin(userPin));
        }),
    );

    test("waits for key shares when it was initialised for them", () =>
      withSubject(async (subject) => {
        await initialise(subject, { dkek: { kind: "shares", shares: 2 } });
        const { state, dkek } = await status(subject);
        expect(state).toBe("dkek-shares-pending");
        expect(dkek).toMatchObject({ state: "pending", shares: 2, outstanding: 2, kcv: null });
      }));

    testIf(traits.profile === "genuine", "a transport PIN has to be changed before it opens anything", () =>
      withSubject(async (subject) => {
        await initialise(subject, { transportPin: true });
        expect((await status(subject)).state).toBe("transport-pin");
        await expect(use(subject, (card) => card.verifyUserPin(userPin))).rejects.toMatchObject({
          code: "TRANSPORT_PIN",
        });
        await use(subject, (card) => card.changeUserPin({ current: userPin, next: otherPin }));
        expect((await status(subject)).state).toBe("operational");
        await use(subject, (card) => card.verifyUserPin(otherPin));
      }),
    );

    test("initialising again replaces PIN, tries and label, and keeps the serial of a genuine card", () =>
      withSubject(async (subject) => {
        await initialise(subject);
        const before = await use(subject, async (card) => {
          await card.verifyUserPin(userPin);
          await card.writeLabel("first");
          return card.identity();
        });
        await initialise(subject, { userPin: otherPin, retries: 5 });
        const after = await use(subject, async (card) => {
          expect(await card.label()).toBeNull();
          await card.verifyUserPin(otherPin);
          return card.identity();
        });
        if (traits.profile === "genuine") expect(after.key).toBe(before.key);
        expect((await status(subject)).userPin.triesLeft).toBe(5);
      }));

    test("says that a file is not there", () =>
      withSubject(async (subject) => {
        await initialise(subject);
        await expect(use(subject, (card) => card.readFile(0xcf42))).rejects.toMatchObject({ code: "FILE_NOT_FOUND" });
      }));

    test("keeps a file longer than one command holds, and forgets it when deleted", () =>
      withSubject(async (subject) => {
        await initialise(subject);
        const content = Uint8Array.from({ length: 1500 }, (_, i) => i % 251);
        await use(subject, async (card) => {
          await card.verifyUserPin(userPin);
          await card.writeFile(0xcf01, content);
        });
        await use(subject, async (card) => {
          expect(await card.readFile(0xcf01)).toEqual(content);
          await card.verifyUserPin(userPin);
          await card.deleteFile(0xcf01);
          await expect(card.readFile(0xcf01)).rejects.toMatchObject({ code: "FILE_NOT_FOUND" });
        });
      }));

    test("gives random bytes", () =>
      withSubject(async (subject) => {
        await initialise(subject);
        await use(subject, async (card) => {
          // Eight bytes are a challenge; longer ones are redacted in recordings, they may become a key.
          const [first, second] = [await card.random(8), await card.random(8)];
          expect(first).toHaveLength(8);
          expect(first).not.toEqual(second);
        });
      }));
  });
}
