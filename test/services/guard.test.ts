import fc from "fast-check";
import { expect, test } from "vitest";
import type { PinStateName, TokenState } from "../../src/cards/smartcard-hsm/token-status.ts";
import { judge } from "../../src/services/pins/guard.ts";
import { statusOf } from "./statuses.ts";

const floors = { userPinTries: 2, soPinTries: 4 };

test.each([
  [3, 15],
  [2, 4],
  [10, 4],
])("user PIN %i and SO-PIN %i tries are enough for the floors 2 and 4", (user, so) => {
  expect(judge(statusOf(user, so), floors)).toEqual({ allowed: true, reasons: [] });
});

test("shares pending do not matter to the tries", () => {
  const status = statusOf(3, 15, { dkek: { state: "pending", shares: 2, outstanding: 1 } });
  expect(status.state).toBe("dkek-shares-pending");
  expect(judge(status, floors).allowed).toBe(true);
});

test.each<[number | PinStateName, number | PinStateName, string[]]>([
  [1, 15, ["the user PIN has 1 try left, the floor is 2"]],
  [3, 3, ["the SO-PIN has 3 tries left, the floor is 4"]],
  [0, 0, ["the user PIN has 0 tries left, the floor is 2", "the SO-PIN has 0 tries left, the floor is 4"]],
  ["blocked", 15, ["the user PIN is blocked"]],
  [3, "blocked", ["the SO-PIN is blocked"]],
  ["blocked", "blocked", ["the user PIN is blocked", "the SO-PIN is blocked"]],
  ["uninitialised", "uninitialised", ["the token was never initialised"]],
  ["transport", 15, ["the token still has its transport PIN"]],
  ["public-key", 15, ["the token is opened by public key authentication, its user PIN counter says nothing"]],
  ["unreadable", 15, ["the counter of the user PIN cannot be read"]],
  [3, "unreadable", ["the counter of the SO-PIN cannot be read"]],
  [3, "uninitialised", ["the state of the token is unclear"]],
  ["verified", 15, ["the user PIN is logged in, and its counter cannot be read before the login ends"]],
])("user PIN %s and SO-PIN %s are refused: %j", (user, so, reasons) => {
  expect(judge(statusOf(user, so), floors)).toEqual({ allowed: false, reasons });
});

test("a ready PIN without a number is not enough", () => {
  const status = statusOf(3, 15);
  const blind = { ...status, userPin: { ...status.userPin, triesLeft: null } };
  expect(judge(blind, floors)).toEqual({ allowed: false, reasons: ["the counter of the user PIN cannot be read"] });
});

test("a state that this code has never heard of is refused", () => {
  const status = statusOf(3, 15, { state: "molten" as TokenState });
  expect(judge(status, floors).reasons).toEqual(["the state of the token is unclear"]);
});

test("whatever the state, allowed means: two ready PINs with their floors kept", () => {
  const names = ["ready", "verified", "blocked", "transport", "uninitialised", "public-key", "unreadable"] as const;
  const pin = fc.oneof(fc.integer({ min: 0, max: 15 }), fc.constantFrom<PinStateName>(...names));
  const states: TokenState[] = [
    "uninitialised",
    "operational",
    "transport-pin",
    "user-pin-blocked",
    "so-pin-blocked",
    "both-blocked",
    "dkek-shares-pending",
    "public-key-authentication",
    "unreadable",
  ];
  const floor = fc.integer({ min: 0, max: 15 });
  fc.assert(
    fc.property(pin, pin, fc.constantFrom(...states), floor, floor, (user, so, state, userPinTries, soPinTries) => {
      const { allowed, reasons } = judge(statusOf(user, so, { state }), { userPinTries, soPinTries });
      expect(allowed).toBe(reasons.length === 0);
      if (allowed) {
        expect(user).toBeGreaterThanOrEqual(userPinTries);
        expect(so).toBeGreaterThanOrEqual(soPinTries);
        expect(["operational", "dkek-shares-pending"]).toContain(state);
      }
    }),
    { numRuns: 1000 },
  );
});
