import { expect, test } from "vitest";
import { TransportError } from "../../src/apdu/transport-error.ts";
import { utf8Bytes } from "../../src/bytes/bytes.ts";
import { fromHex } from "../../src/bytes/hex.ts";
import { SmartCardHsm } from "../../src/cards/smartcard-hsm/smartcard-hsm.ts";
import { FakeToken } from "./support/fake-token.ts";

const pin = utf8Bytes("648219");

/** Another program resets the card just before command number `at` gets its answer. */
function resetAt(token: FakeToken, ...at: readonly number[]): void {
  token.before = (index) => {
    if (!at.includes(index)) return undefined;
    token.powerCycle();
    return new TransportError("CARD_RESET", "another program reset the card");
  };
}

test("a read is repeated once, with the applet selected again", async () => {
  const token = FakeToken.initialised();
  const card = await SmartCardHsm.open(token);
  resetAt(token, token.sent.length);
  expect(await card.pinState("user-pin")).toMatchObject({ triesLeft: 3 });
  expect(token.sent.slice(1).map((hex) => hex.slice(0, 8))).toEqual(["00200081", "00A40400", "00200081"]);
});

test("a read is not repeated twice", async () => {
  const token = FakeToken.initialised();
  const card = await SmartCardHsm.open(token);
  resetAt(token, 1, 3);
  await expect(card.pinState("user-pin")).rejects.toMatchObject({ code: "CARD_RESET" });
  expect(token.sent).toHaveLength(4);
});

test("SELECT itself is repeated once at open", async () => {
  const token = FakeToken.initialised();
  resetAt(token, 0);
  await SmartCardHsm.open(token);
  expect(token.sent).toHaveLength(2);
});

test("a command that needs the login is not repeated, and the driver knows that it is logged out", async () => {
  const token = FakeToken.initialised();
  const card = await SmartCardHsm.open(token);
  await card.verifyUserPin(pin);
  const sent = token.sent.length;
  resetAt(token, sent);
  await expect(card.writeLabel("x")).rejects.toMatchObject({
    code: "CARD_RESET",
    kind: "device",
    message: expect.stringMatching(/login is gone.*not sent again/),
  });
  expect(card.loggedIn).toBeNull();
  expect(token.sent).toHaveLength(sent + 1);
  // Nor is a second one even tried, until somebody logs in again; and no PIN goes out by itself.
  await expect(card.writeLabel("x")).rejects.toMatchObject({ code: "CARD_RESET" });
  expect(token.sent).toHaveLength(sent + 1);
  expect(token.attempts).toHaveLength(1);
  await card.verifyUserPin(pin);
  await card.writeLabel("x");
  expect(await card.label()).toBe("x");
});

test("a read that finds the card reset leaves the login known as lost", async () => {
  const token = FakeToken.initialised();
  const card = await SmartCardHsm.open(token);
  await card.verifyUserPin(pin);
  resetAt(token, token.sent.length);
  await card.status();
  expect(card.loggedIn).toBeNull();
  await expect(card.writeLabel("x")).rejects.toMatchObject({ code: "CARD_RESET" });
});

test("a reset between the counter and the PIN: the PIN is not sent again", async () => {
  const token = FakeToken.initialised();
  const card = await SmartCardHsm.open(token);
  // SELECT, certificate, counter, VERIFY.
  resetAt(token, 3);
  await expect(card.verifyUserPin(pin)).rejects.toMatchObject({ code: "CARD_RESET" });
  expect(token.attempts).toHaveLength(1);
  await card.verifyUserPin(pin);
  expect(token.sent.slice(4).map((hex) => hex.slice(0, 8))).toEqual(["00A40400", "00200081", "00200081"]);
});

test("without a login the token's refusal says so", async () => {
  const card = await SmartCardHsm.open(FakeToken.initialised());
  await expect(card.writeLabel("x")).rejects.toMatchObject({ code: "NOT_LOGGED_IN", kind: "authentication" });
});

test.each([
  ["6A82", "NOT_A_SMARTCARD_HSM", "not-supported"],
  ["6999", "NOT_A_SMARTCARD_HSM", "not-supported"],
  ["9000", "NOT_A_SMARTCARD_HSM", "not-supported"],
  ["6F00 9000", "NOT_A_SMARTCARD_HSM", "not-supported"],
  ["6285", "TOKEN_TERMINATED", "device"],
  ["90", "RESPONSE_INVALID", "unexpected"],
])("SELECT answered %s", async (answer, code, kind) => {
  const token = new FakeToken();
  token.before = () => fromHex(answer);
  await expect(SmartCardHsm.open(token)).rejects.toMatchObject({ code, kind });
});
