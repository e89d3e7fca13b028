import { beforeEach, describe, expect, test } from "vitest";
import { TransportError, type TransportFault } from "../../src/apdu/transport-error.ts";
import { equal, utf8Bytes } from "../../src/bytes/bytes.ts";
import { fromHex } from "../../src/bytes/hex.ts";
import type { AttemptPolicy, RefusedPinMemory } from "../../src/cards/smartcard-hsm/attempt-policy.ts";
import type { InitializeSettings } from "../../src/cards/smartcard-hsm/initialize.ts";
import { SmartCardHsm } from "../../src/cards/smartcard-hsm/smartcard-hsm.ts";
import type { HsmError } from "../../src/errors.ts";
import { FakeToken } from "./support/fake-token.ts";
import { noCertificate, ScriptedChannel, select } from "./support/scripted-channel.ts";

// The safety rules of the driver: no try is ever burnt by us. Each was seen red once by breaking its line in attempt.ts.

const pin = utf8Bytes("648219");
const wrong = utf8Bytes("111111");
const soPin = fromHex("3537363231383830");
const wrongSoPin = fromHex("0000000000000000");
const settings: InitializeSettings = { soPin, userPin: pin, dkek: { kind: "none" } };

let token: FakeToken;
beforeEach(() => {
  token = FakeToken.initialised();
});

const open = (policy?: AttemptPolicy): Promise<SmartCardHsm> =>
  SmartCardHsm.open(token, policy === undefined ? {} : { policy });

/** Every verb that presents a PIN, with a wrong one. */
const verbs: readonly [string, "user-pin" | "so-pin", (card: SmartCardHsm) => Promise<unknown>][] = [
  ["verify the user PIN", "user-pin", (card) => card.verifyUserPin(wrong)],
  ["change the user PIN", "user-pin", (card) => card.changeUserPin({ current: wrong, next: pin })],
  ["verify the SO-PIN", "so-pin", (card) => card.verifySoPin(wrongSoPin)],
  ["change the SO-PIN", "so-pin", (card) => card.changeSoPin({ current: wrongSoPin, next: soPin })],
  ["unblock", "so-pin", (card) => card.unblockUserPin({ soPin: wrongSoPin, next: pin })],
  ["initialise", "so-pin", (card) => card.initialize({ ...settings, soPin: wrongSoPin })],
];

describe.each(verbs)("%s", (_, which, verb) => {
  const setTries = (tries: number): void => {
    if (which === "user-pin") token.userTries = tries;
    else token.soTries = tries;
  };
  const tries = (): number => (which === "user-pin" ? token.userTries : token.soTries);

  test("a wrong PIN costs one try, says how many are left, and is told apart", async () => {
    const before = tries();
    await expect(verb(await open())).rejects.toMatchObject({
      kind: "authentication",
      code: which === "user-pin" ? "PIN_WRONG" : "SO_PIN_WRONG",
      triesLeft: before - 1,
      which,
    });
    expect(tries()).toBe(before - 1);
    expect(token.attempts).toHaveLength(1);
  });

  test("the counter is read before", async () => {
    await verb(await open()).catch(() => undefined);
    const first = token.attempts[0] ?? "";
    const at = token.sent.indexOf(first);
    expect(token.sent.slice(0, at)).toContain(which === "user-pin" ? "00200081" : "00200088");
  });

  test("the floor stops it: nothing is sent", async () => {
    const floor = which === "user-pin" ? 1 : 3;
    setTries(floor);
    const card = await open();
    await expect(verb(card)).rejects.toMatchObject({
      kind: "refused",
      code: "TRIES_FLOOR",
      triesLeft: floor,
      message: expect.stringContaining("NOT sent"),
      advice: expect.stringContaining(which === "user-pin" ? "--min-tries" : "--min-so-tries"),
    });
    expect(token.attempts).toEqual([]);
    expect(tries()).toBe(floor);
    setTries(floor + 1);
    await expect(verb(card)).rejects.toMatchObject({ kind: "authentication", triesLeft: floor });
  });

  test("the floor can be lowered, and the last try then blocks", async () => {
    setTries(1);
    await expect(verb(await open({ minTries: 0, minSoTries: 0 }))).rejects.toMatchObject({
      kind: "blocked",
      triesLeft: 0,
      which,
    });
    expect(token.attempts).toHaveLength(1);
  });

  test("a blocked PIN is not sent", async () => {
    setTries(0);
    await expect(verb(await open({ minTries: 0, minSoTries: 0 }))).rejects.toMatchObject({
      kind: "blocked",
      code: which === "user-pin" ? "USER_PIN_BLOCKED" : "SO_PIN_BLOCKED",
      triesLeft: 0,
      message: expect.stringContaining("NOT sent"),
    });
    expect(token.attempts).toEqual([]);
  });

  test("the same wrong PIN is not sent twice by one run", async () => {
    const card = await open({ minTries: 0, minSoTries: 0 });
    await verb(card).catch(() => undefined);
    await expect(verb(card)).rejects.toMatchObject({
      kind: "refused",
      code: "PIN_REFUSED_BEFORE",
      message: expect.stringContaining("NOT sent"),
    });
    expect(token.attempts).toHaveLength(1);
  });

  test("nor by two runs with a memory, unless the counter has moved", async () => {
    const memory = rememberingLast();
    token.files.set(0x2f02, fromHex("0400"));
    const policy = { minTries: 0, minSoTries: 0, memory };
    await verb(await open(policy)).catch(() => undefined);
    await expect(verb(await open(policy))).rejects.toMatchObject({ code: "PIN_REFUSED_BEFORE" });
    expect(token.attempts).toHaveLength(1);
    setTries(which === "user-pin" ? 3 : 9);
    await expect(verb(await open(policy))).rejects.toMatchObject({ kind: "authentication" });
    expect(token.attempts).toHaveLength(2);
  });

  test.each<TransportFault>(["CARD_RESET", "TIMEOUT", "CARD_REMOVED", "EXCHANGE_FAILED"])(
    "%s while it is under way: never sent again, and the error says that a try may be gone",
    async (fault) => {
      let armed = true;
      token.after = (index) => {
        const sent = token.sent[index] ?? "";
        if (!armed || !token.attempts.includes(sent)) return undefined;
        armed = false;
        token.powerCycle();
        return new TransportError(fault, "no answer");
      };
      const card = await open();
      await expect(verb(card)).rejects.toMatchObject({
        code: fault,
        message: expect.stringMatching(/may have been counted/),
        which,
      });
      expect(token.attempts).toHaveLength(1);
      // The next command reads the counter before anything else.
      const sent = token.sent.length;
      token.selected = true;
      await verb(card).catch(() => undefined);
      expect(token.sent.slice(sent).filter((hex) => !hex.startsWith("00A4"))[0]).toBe(
        which === "user-pin" ? "00200081" : "00200088",
      );
    },
  );

  test("an answer without a status word is no reason to send it again", async () => {
    token.after = (index) => (token.attempts.includes(token.sent[index] ?? "") ? fromHex("90") : undefined);
    await expect(verb(await open())).rejects.toMatchObject({ message: expect.stringMatching(/may have been counted/) });
    expect(token.attempts).toHaveLength(1);
  });

  test("an unreadable counter stops it", async () => {
    token.before = (_index, command) => (command[1] === 0x20 && command.length === 4 ? fromHex("6F00") : undefined);
    await expect(verb(await open())).rejects.toMatchObject({ kind: "refused", code: "COUNTER_UNREADABLE" });
    expect(token.attempts).toEqual([]);
  });

  test("a memory that fails stops it before anything is sent", async () => {
    token.files.set(0x2f02, fromHex("0400"));
    const memory: RefusedPinMemory = {
      wasRefused: () => Promise.reject(new Error("ledger unreadable")),
      noteRefused: async () => {},
      noteAccepted: async () => {},
    };
    await expect(verb(await open({ minTries: 1, minSoTries: 3, memory }))).rejects.toThrow("ledger unreadable");
    expect(token.attempts).toEqual([]);
  });
});

describe("malformed PINs never leave the host", () => {
  const short = fromHex("3132333435");
  test.each<[string, (card: SmartCardHsm) => Promise<unknown>]>([
    ["empty user PIN", (card) => card.verifyUserPin(new Uint8Array(0))],
    ["17 bytes", (card) => card.verifyUserPin(new Uint8Array(17))],
    ["short new PIN", (card) => card.changeUserPin({ current: pin, next: short })],
    ["short new PIN at unblock", (card) => card.unblockUserPin({ soPin, next: short })],
    ["SO-PIN of 5 bytes", (card) => card.verifySoPin(short)],
    ["SO-PIN of 16 characters that are no hex", (card) => card.verifySoPin(utf8Bytes("3537363231383XYZ"))],
    ["new SO-PIN of 5 bytes", (card) => card.changeSoPin({ current: soPin, next: short })],
    ["settings", (card) => card.initialize({ ...settings, retries: 9 })],
  ])("%s", async (_, verb) => {
    const card = await open();
    const sent = token.sent.length;
    await expect(verb(card)).rejects.toMatchObject({ kind: "usage" });
    expect(token.sent).toHaveLength(sent);
  });
});

describe("right PINs", () => {
  test("verify, change, logout", async () => {
    const card = await open();
    await card.verifyUserPin(pin);
    expect(card.loggedIn).toBe("user-pin");
    await card.logout();
    expect(card.loggedIn).toBeNull();
    expect(await card.pinState("user-pin")).toMatchObject({ state: "ready", triesLeft: 3 });
    await card.changeUserPin({ current: pin, next: utf8Bytes("another one") });
    await card.verifyUserPin(utf8Bytes("another one"));
    await card.changeSoPin({ current: soPin, next: fromHex("0123456789ABCDEF") });
    await card.verifySoPin(fromHex("0123456789ABCDEF"));
  });

  test("a wrong PIN ends the login that there was, on the token and in the driver", async () => {
    const card = await open();
    await card.verifyUserPin(pin);
    await card.verifySoPin(wrongSoPin).catch(() => undefined);
    expect(card.loggedIn).toBeNull();
  });

  test("an SO-PIN given as typed is read as hex", async () => {
    await (await open()).verifySoPin(utf8Bytes("3537363231383830"));
  });

  test("a success clears the memory; unblock and initialise clear it for the user PIN as well", async () => {
    token.files.set(0x2f02, fromHex("0400"));
    const accepted: string[] = [];
    const memory = {
      ...rememberingLast(),
      noteAccepted: async (_: string, which: string) => void accepted.push(which),
    };
    const card = await open({ minTries: 1, minSoTries: 3, memory });
    await card.verifyUserPin(pin);
    await card.unblockUserPin({ soPin, next: pin });
    await card.initialize(settings);
    expect(accepted).toEqual(["user-pin", "so-pin", "user-pin", "so-pin", "user-pin"]);
  });

  test("while logged in the counter is hidden: the login is ended to read it", async () => {
    const card = await open({ minTries: 2, minSoTries: 3 });
    await card.verifyUserPin(pin);
    const sent = token.sent.length;
    await expect(card.verifyUserPin(wrong)).rejects.toMatchObject({ code: "PIN_WRONG", triesLeft: 2 });
    expect(token.sent.slice(sent).map((hex) => hex.slice(0, 8))).toEqual([
      "00200081",
      "00A40400",
      "00200081",
      "00200081",
    ]);
  });
});

describe("transport PIN", () => {
  test("is not verified but changed, which ends it", async () => {
    token.transport = true;
    const card = await open();
    await expect(card.verifyUserPin(pin)).rejects.toMatchObject({
      kind: "refused",
      code: "TRANSPORT_PIN",
      message: expect.stringContaining("NOT sent"),
      advice: expect.stringContaining("pin change"),
    });
    expect(token.attempts).toEqual([]);
    await card.changeUserPin({ current: pin, next: utf8Bytes("my own pin") });
    expect(await card.status()).toMatchObject({ state: "operational" });
  });

  test("a wrong one is not sent twice although its counter is hidden, and the floor counts what the refusal told", async () => {
    token.transport = true;
    token.files.set(0x2f02, fromHex("0400"));
    const memory = rememberingLast();
    const policy = { minTries: 1, minSoTries: 3, memory };
    const card = await open(policy);
    await expect(card.changeUserPin({ current: wrong, next: pin })).rejects.toMatchObject({
      code: "PIN_WRONG",
      triesLeft: 2,
    });
    await expect(card.changeUserPin({ current: wrong, next: pin })).rejects.toMatchObject({
      code: "PIN_REFUSED_BEFORE",
    });
    await expect((await open(policy)).changeUserPin({ current: wrong, next: pin })).rejects.toMatchObject({
      code: "PIN_REFUSED_BEFORE",
    });
    await expect(card.changeUserPin({ current: utf8Bytes("222222"), next: pin })).rejects.toMatchObject({
      triesLeft: 1,
    });
    await expect(card.changeUserPin({ current: utf8Bytes("333333"), next: pin })).rejects.toMatchObject({
      code: "TRIES_FLOOR",
    });
    expect(token.attempts).toHaveLength(2);
  });
});

describe("states that have no PIN to present", () => {
  test("never initialised", async () => {
    token = new FakeToken();
    const card = await open();
    await expect(card.verifyUserPin(pin)).rejects.toMatchObject({ kind: "refused", code: "NOT_INITIALISED" });
    expect(token.attempts).toEqual([]);
    await card.initialize(settings);
    expect(await card.status()).toMatchObject({ state: "operational" });
  });

  test("public key authentication", async () => {
    const channel = new ScriptedChannel(select(), noCertificate, ["00200081", "6300"]);
    await expect((await SmartCardHsm.open(channel)).verifyUserPin(pin)).rejects.toMatchObject({
      code: "PUBLIC_KEY_AUTHENTICATION",
      kind: "not-supported",
    });
  });

  test("v1.x says 6984 of a PIN that was never set and knows no SO-PIN query: initialise goes on", async () => {
    const channel = new ScriptedChannel(
      ["00A404000B E82B0601040181C31F0201 00", "6F07820178 85020102 9000"],
      noCertificate,
      ["00200088", "6A86"],
      ["00200081", "6984"],
      ["8050000019 80020001 8106363438323139 82083537363231383830 910103", "9000"],
    );
    await (await SmartCardHsm.open(channel)).initialize(settings);
    expect(channel.left).toBe(0);
  });
});

describe("unblock", () => {
  test.each([
    ["0000", undefined, /NOT sent/],
    ["0000", pin, /NOT sent/],
    ["0001", undefined, /counter without a new user PIN/],
  ])("options %s, new PIN %s: refused before anything is sent", async (options, next, message) => {
    const channel = new ScriptedChannel(select(options), noCertificate);
    await expect((await SmartCardHsm.open(channel)).unblockUserPin({ soPin, next })).rejects.toMatchObject({
      code: "PIN_RESET_NOT_ENABLED",
      kind: "not-supported",
      message: expect.stringMatching(message),
    });
    expect(channel.left).toBe(0);
  });

  test("with option 0020 the counter alone is reset", async () => {
    const channel = new ScriptedChannel(
      select("0021"),
      noCertificate,
      ["00200088", "63CF"],
      ["002C0181083537363231383830", "9000"],
    );
    await (await SmartCardHsm.open(channel)).unblockUserPin({ soPin });
    expect(channel.left).toBe(0);
  });

  test("6986 with an unmoved counter means not enabled, not a wrong SO-PIN", async () => {
    const channel = new ScriptedChannel(
      select("0001"),
      noCertificate,
      ["00200088", "63CF"],
      ["002C00810E 3537363231383830 363438323139", "6986"],
      ["00200088", "63CF"],
    );
    await expect((await SmartCardHsm.open(channel)).unblockUserPin({ soPin, next: pin })).rejects.toMatchObject({
      code: "PIN_RESET_NOT_ENABLED",
    });
  });
});

describe("a PIN that is asked for", () => {
  test("is asked for once the counter is read, and told what is left", async () => {
    token.userTries = 2;
    const counters: (number | null)[] = [];
    const card = await open();
    await card.verifyUserPin(async ({ triesLeft }) => {
      counters.push(triesLeft);
      return pin;
    });
    expect(counters).toEqual([2]);
    expect(card.loggedIn).toBe("user-pin");
  });

  test("is not asked for when it could not be sent", async () => {
    for (const tries of [0, 1]) {
      token.userTries = tries;
      const asked = (await open()).verifyUserPin(() => Promise.reject(new Error("nobody should be asked")));
      await expect(asked).rejects.toMatchObject({ code: tries === 0 ? "USER_PIN_BLOCKED" : "TRIES_FLOOR" });
    }
  });

  test("is checked on the host like any other", async () => {
    const card = await open();
    const given = card.changeUserPin(async () => ({ current: pin, next: utf8Bytes("short") }));
    await expect(given).rejects.toMatchObject({ code: "PIN_MALFORMED" });
    expect(token.userTries).toBe(3);
  });
});

test.each([
  ["0000000000000000", "set as 8 characters"],
  ["0123456789ABCDEF", "OpenSC before 0.16"],
])("a wrong SO-PIN %s names the likely spelling and gives nothing of it away", async (hex, hint) => {
  const error = await (await open()).verifySoPin(fromHex(hex)).catch((reason: unknown) => reason as HsmError);
  expect(error).toMatchObject({ code: "SO_PIN_WRONG", triesLeft: 14, advice: expect.stringContaining(hint) });
  expect(error instanceof Error && `${error.message} ${error.advice}`).not.toMatch(/[0-9A-F]{6}/);
});

describe("INITIALIZE", () => {
  const command = "8050000019 80020001 8106363438323139 82083537363231383830 910103";
  const run = async (...script: readonly (readonly [string, string])[]): Promise<{ result: unknown; left: number }> => {
    const channel = new ScriptedChannel(select(), noCertificate, ...script);
    const card = await SmartCardHsm.open(channel);
    const result = await card.initialize(settings).catch((error: unknown) => error);
    return { result, left: channel.left };
  };

  // Open question 1 of the reference: no source says which of these a genuine card gives for a wrong SO-PIN.
  test.each(["6982", "6985", "6986", "6900", "63CE"])("%s with a lower counter is a wrong SO-PIN", async (sw) => {
    const again: [string, string][] = sw === "63CE" ? [] : [["00200088", "63CE"]];
    const { result, left } = await run(["00200088", "63CF"], [command, sw], ...again);
    expect(result).toMatchObject({ code: "SO_PIN_WRONG", kind: "authentication", triesLeft: 14, which: "so-pin" });
    expect(left).toBe(0);
  });

  test("6982 with the counter as before is something else", async () => {
    const { result } = await run(["00200088", "63CF"], [command, "6982"], ["00200088", "63CF"]);
    expect(result).toMatchObject({ code: "INITIALISE_REFUSED", kind: "not-supported" });
  });

  test("6A84 is repeated once, when the counter has not moved", async () => {
    const { result, left } = await run(
      ["00200088", "63CF"],
      [command, "6A84"],
      ["00200088", "63CF"],
      [command, "9000"],
    );
    expect(result).not.toBeInstanceOf(Error);
    expect(left).toBe(0);
  });

  test("6A84 twice is told", async () => {
    const busy: [string, string] = [command, "6A84"];
    const { result } = await run(["00200088", "63CF"], busy, ["00200088", "63CF"], busy, ["00200088", "63CF"]);
    expect(result).toMatchObject({ code: "TOKEN_BUSY" });
  });

  test("6A84 is not repeated when the counter has moved", async () => {
    const { result, left } = await run(
      ["00200088", "63CF"],
      [command, "6A84"],
      ["00200088", "63CE"],
      ["00200088", "63CE"],
    );
    expect(result).toMatchObject({ code: "SO_PIN_WRONG", triesLeft: 14 });
    expect(left).toBe(0);
  });

  test("the options in force are those just set", async () => {
    const card = await open();
    await card.initialize({ ...settings, pinReset: "never" });
    expect(card.application.options).toBe(0);
    await expect(card.unblockUserPin({ soPin, next: pin })).rejects.toMatchObject({ code: "PIN_RESET_NOT_ENABLED" });
  });
});

function rememberingLast(): RefusedPinMemory {
  const entries = new Map<string, { pin: Uint8Array; triesLeft: number | null }>();
  return {
    async wasRefused(key, which, value, triesLeft) {
      const entry = entries.get(key + which);
      return entry !== undefined && entry.triesLeft === triesLeft && equal(entry.pin, value);
    },
    async noteRefused(key, which, value, triesLeft) {
      entries.set(key + which, { pin: value.slice(), triesLeft });
    },
    async noteAccepted(key, which) {
      entries.delete(key + which);
    },
  };
}
