import { describe, expect, test } from "vitest";
import { utf8Bytes } from "../../../src/bytes/bytes.ts";
import { Fido2Authenticator } from "../../../src/cards/fido2/authenticator.ts";
import type { FidoPin } from "../../../src/cards/fido2/pin-gate.ts";
import { HsmError } from "../../../src/errors.ts";
import { FakeAuthenticator, type FakeOptions, pulledOut } from "./support/fake-authenticator.ts";

const rpId = "example.test";
const credentialId = utf8Bytes("credential");
const salt = new Uint8Array(32).fill(3);
const right = (): Uint8Array => utf8Bytes("1234");
const wrong = (): Uint8Array => utf8Bytes("4321");

async function opened(setup: FakeOptions = {}, minTries?: number) {
  const fake = new FakeAuthenticator({ pin: "1234", credentials: [credentialId], ...setup });
  const policy = minTries === undefined ? undefined : { minTries };
  const authenticator = await Fido2Authenticator.open(fake, { policy });
  const secret = (pin?: FidoPin) => authenticator.hmacSecret({ rpId, credentialId, salts: [salt], uv: true, pin });
  return { fake, authenticator, secret };
}

const tokenRequests = (fake: FakeAuthenticator): number =>
  fake.commands.filter((each) => each === "0609" || each === "0605").length;

describe("a PIN on its way to an authenticator", () => {
  test("is asked for once, after the counter was read, and is told the tries left", async () => {
    const { fake, secret } = await opened({ retries: 5 });
    const told: unknown[] = [];
    const before: string[][] = [];
    await secret(async (counter) => {
      told.push(counter);
      before.push([...fake.commands]);
      return right();
    });
    expect(told).toEqual([{ retries: 5, powerCycle: false }]);
    expect(before[0]).toContain("0601");
    expect(fake.commands).toEqual(["04", "0601", "0602", "0609", "02"]);
  });

  test("a wrong one costs one try, which the error tells; no second one is sent in this run", async () => {
    const { fake, secret } = await opened();
    await expect(secret(wrong())).rejects.toMatchObject({
      code: "FIDO_PIN_WRONG",
      kind: "authentication",
      triesLeft: 7,
    });
    expect(fake.retries).toBe(7);
    let asked = 0;
    const again = secret(async () => {
      asked++;
      return right();
    });
    await expect(again).rejects.toMatchObject({ code: "PIN_REFUSED_BEFORE", kind: "refused" });
    expect([asked, fake.retries, tokenRequests(fake)]).toEqual([0, 7, 1]);
  });

  test.each([
    [2, undefined, true],
    [1, undefined, false],
    [1, 0, true],
    [3, 3, false],
    [4, 3, true],
  ])("%i tries left, floor %s: sent is %s", async (retries, minTries, sent) => {
    const { fake, secret } = await opened({ retries }, minTries);
    const attempt = secret(right());
    if (sent) await attempt;
    else {
      await expect(attempt).rejects.toMatchObject({ code: "TRIES_FLOOR", kind: "refused", triesLeft: retries });
      expect(tokenRequests(fake)).toBe(0);
    }
  });

  test("a blocked PIN, and one that waits for the token to be unplugged, are not sent", async () => {
    for (const [setup, code] of [
      [{ retries: 0 }, "FIDO_PIN_BLOCKED"],
      [{ retries: 5, powerCycle: true }, "FIDO_PIN_PAUSED"],
    ] as const) {
      const { fake, secret } = await opened(setup);
      await expect(secret(right())).rejects.toMatchObject({ code, kind: "blocked", triesLeft: setup.retries });
      expect(tokenRequests(fake)).toBe(0);
    }
  });

  test("is not asked for when none is needed, and refused as missing when none is given", async () => {
    const { fake, authenticator, secret } = await opened();
    await authenticator.hmacSecret({ rpId, credentialId, salts: [salt], uv: false });
    expect(fake.commands).toEqual(["04", "0602", "02"]);
    await expect(secret()).rejects.toMatchObject({ code: "FIDO_PIN_REQUIRED", kind: "authentication" });
    expect(tokenRequests(fake)).toBe(0);
  });

  test.each(["123", "a".repeat(64), "12\u000034"])(
    "one that cannot be a PIN is refused on the host: %j",
    async (pin) => {
      const { fake, secret } = await opened();
      await expect(secret(utf8Bytes(pin))).rejects.toMatchObject({ code: "FIDO_PIN_MALFORMED", kind: "usage" });
      expect([fake.retries, tokenRequests(fake)]).toEqual([8, 0]);
    },
  );

  test("an accepted one is not asked for again, but the counter is read again and a new token fetched", async () => {
    const { fake, secret } = await opened();
    let asked = 0;
    const pin = async (): Promise<Uint8Array> => {
      asked++;
      return right();
    };
    await secret(pin);
    await secret(pin);
    expect(asked).toBe(1);
    expect(fake.commands.filter((each) => each === "0601")).toHaveLength(2);
    expect(tokenRequests(fake)).toBe(2);
  });

  test("the authenticator is unplugged with the PIN under way: the fault says so, and nothing is sent again", async () => {
    const { fake, secret } = await opened();
    fake.instead.set("0609", [pulledOut]);
    await expect(secret(right())).rejects.toMatchObject({
      code: "CARD_REMOVED",
      message: expect.stringMatching(/a try on fake authenticator may have been counted/),
    });
    await expect(secret(right())).rejects.toMatchObject({ code: "PIN_REFUSED_BEFORE" });
    expect(tokenRequests(fake)).toBe(1);
  });

  test("33 for the request, not for the PIN: one new token, no new question, then an error that does not blame the PIN", async () => {
    const { fake, secret } = await opened();
    let asked = 0;
    const pin = async (): Promise<Uint8Array> => {
      asked++;
      return right();
    };
    fake.instead.set("02", [0x33]);
    expect(await secret(pin)).toEqual([FakeAuthenticator.output(true, salt)]);
    expect([asked, tokenRequests(fake)]).toEqual([1, 2]);
    fake.instead.set("02", [0x33, 0x33, 0x33]);
    const error = await secret(pin).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: "FIDO_AUTH_INVALID", kind: "authentication", triesLeft: undefined });
    expect(error instanceof HsmError ? error.message : "").toMatch(/not necessarily a wrong PIN/);
    expect([asked, tokenRequests(fake), fake.retries]).toEqual([1, 4, 8]);
  });

  test("33 for the PIN itself is not tried again", async () => {
    const { fake, secret } = await opened();
    fake.instead.set("0609", [0x33]);
    await expect(secret(right())).rejects.toMatchObject({ code: "FIDO_AUTH_INVALID" });
    await expect(secret(right())).rejects.toMatchObject({ code: "PIN_REFUSED_BEFORE" });
    expect(tokenRequests(fake)).toBe(1);
  });

  test.each([
    [0x34, "FIDO_PIN_PAUSED", "blocked"],
    [0x37, "FIDO_PIN_POLICY", "refused"],
    [0x35, "FIDO_PIN_NOT_SET", "refused"],
  ])("status %i keeps its own meaning", async (status, code, kind) => {
    const { fake, secret } = await opened();
    fake.instead.set("0609", [status]);
    await expect(secret(right())).rejects.toMatchObject({ code, kind, triesLeft: 8 });
  });

  test("the last wrong one says that it is blocked for good", async () => {
    const { secret } = await opened({ retries: 1 }, 0);
    await expect(secret(wrong())).rejects.toMatchObject({ code: "FIDO_PIN_BLOCKED", kind: "blocked", triesLeft: 0 });
  });

  test("old tokens: the token without permissions, under protocol one", async () => {
    const { fake, secret } = await opened({
      options: { pinUvAuthToken: false },
      protocols: [1],
      versions: ["FIDO_2_0"],
    });
    expect(await secret(right())).toEqual([FakeAuthenticator.output(true, salt)]);
    expect(fake.commands).toContain("0605");
  });

  test("never stands in an error", async () => {
    const { secret } = await opened();
    const error = await secret(utf8Bytes("canary-4711")).catch((thrown: unknown) => thrown);
    expect(JSON.stringify(error, Object.getOwnPropertyNames(error))).not.toContain("canary");
  });
});

describe("setting and changing a PIN", () => {
  test("set: only where none is set, and long enough", async () => {
    const { fake, authenticator } = await opened({ pin: undefined as unknown as string });
    await expect(authenticator.setPin(utf8Bytes("123"))).rejects.toMatchObject({ code: "FIDO_PIN_MALFORMED" });
    await authenticator.setPin(utf8Bytes("e\u0301t\u00e9s"));
    expect(fake.pin).toBe("\u00e9t\u00e9s");
    expect(authenticator.info.options["clientPin"]).toBe(true);
    await expect(authenticator.setPin(right())).rejects.toMatchObject({ code: "FIDO_PIN_EXISTS", kind: "conflict" });
  });

  test("change: the current one goes through the gate, the next is asked after it", async () => {
    const { fake, authenticator } = await opened();
    const asked: string[] = [];
    await authenticator.changePin(
      async () => {
        asked.push("current");
        return right();
      },
      async () => {
        asked.push("next");
        return utf8Bytes("98765");
      },
    );
    expect([asked, fake.pin]).toEqual([["current", "next"], "98765"]);
    const low = await opened({ retries: 1 });
    await expect(low.authenticator.changePin(right(), utf8Bytes("98765"))).rejects.toMatchObject({
      code: "TRIES_FLOOR",
    });
    expect(low.fake.commands).not.toContain("0604");
  });

  test("change with a wrong PIN costs one try and changes nothing; after a right one the old PIN is forgotten", async () => {
    const { fake, authenticator, secret } = await opened();
    await secret(right());
    await authenticator.changePin(right(), utf8Bytes("98765"));
    await expect(secret(right())).rejects.toMatchObject({ code: "FIDO_PIN_WRONG" });
    expect(fake.retries).toBe(7);
  });

  test("a token without PIN support is told apart", async () => {
    const fake = new FakeAuthenticator();
    fake.instead.set("04", [noPinInfo()]);
    const authenticator = await Fido2Authenticator.open(fake);
    await expect(authenticator.setPin(right())).rejects.toMatchObject({ kind: "not-supported" });
  });
});

/** {1: ["FIDO_2_0"], 3: zeros}. */
function noPinInfo(): Uint8Array {
  return Uint8Array.from([0, 0xa2, 1, 0x81, 0x68, ...utf8Bytes("FIDO_2_0"), 3, 0x50, ...new Uint8Array(16)]);
}
