import fc from "fast-check";
import { expect, test } from "vitest";
import type { PinStateName } from "../../src/cards/smartcard-hsm/token-status.ts";
import { explain, type Lost } from "../../src/services/explain.ts";
import { reportOf } from "./reports.ts";
import { statusOf } from "./statuses.ts";

test("nothing needs to be said of a healthy token", () => {
  expect(explain(reportOf())).toEqual([]);
});

test.each([
  [1, 15, "the user PIN has 1 try left: another wrong one blocks it"],
  [3, 3, "the SO-PIN has 3 tries left, and a blocked one is never unblocked"],
  [3, 1, "the SO-PIN has 1 try left, and a blocked one is never unblocked"],
])("user PIN %i and SO-PIN %i tries are warned of", (user, so, sentence) => {
  expect(explain(reportOf(statusOf(user, so)))).toEqual([sentence]);
});

test("a blocked SO-PIN never hears of a way that needs it", () => {
  for (const userPin of [3, "blocked"] as const) {
    for (const lost of [undefined, "user-pin", "so-pin"] as const) {
      const text = explain(reportOf(statusOf(userPin, "blocked")), lost).join("\n");
      expect(text).not.toMatch(/pin unblock|device init/);
      expect(text).toContain("there is no factory reset");
      expect(text).toContain("another working token to log in to the vendor's portal");
    }
  }
});

test("the vendor's update is not promised to a Pico HSM or a simulated token", () => {
  for (const maker of ["pico", "simulated"] as const) {
    expect(explain(reportOf(statusOf(3, "blocked"), { maker })).join("\n")).not.toContain("vendor");
  }
});

test("keys that can never leave, a hidden check value and a random DKEK are said", () => {
  const dkek = reportOf().dkek;
  const none = { ...dkek, state: "none" } as const;
  expect(explain(reportOf(statusOf(3, 15), { dkek: none }))).toEqual([
    "the token has no DKEK: keys made on it can never leave it",
  ]);
  expect(explain(reportOf(statusOf(3, 15), { dkek: { ...dkek, kcvNote: "before-login" } }))).toEqual([
    "the key check value of the DKEK cannot be read before a login",
  ]);
  expect(explain(reportOf(statusOf(3, 15), { dkek: { ...dkek, state: "random" } }))[0]).toContain("this token only");
});

test.each([
  ["pico", "not-verifiable", "that is usual for a Pico HSM: nothing proves who made this token"],
  ["unknown", "not-verifiable", "(because): nothing proves who made this token"],
  ["unknown", "invalid", "the device certificate is FALSE (because): do not trust this token with keys"],
  ["simulated", "verified", "SIMULATED token: a file on this computer"],
] as const)("a %s token with a chain %s", (maker, status, sentence) => {
  const chain = { status, root: null, rootTitle: null, path: [], reason: "because" };
  expect(explain(reportOf(statusOf(3, 15), { maker, chain })).join("\n")).toContain(sentence);
});

test("shares of one key domain are named by its index", () => {
  const domain = { ...reportOf().dkek, index: 1, state: "pending", shares: 2, outstanding: 1 } as const;
  const [first] = explain(reportOf(statusOf(3, 15, { keyDomains: [reportOf().dkek, domain] })));
  expect(first).toContain("1 of 2 shares of key domain 1 is missing");
});

test("every state and loss has whole sentences, said once", () => {
  const pin = fc.oneof(
    fc.integer({ min: 0, max: 15 }),
    fc.constantFrom<PinStateName>("blocked", "transport", "uninitialised", "public-key", "unreadable", "verified"),
  );
  const lost = fc.constantFrom<Lost | undefined>(undefined, "user-pin", "so-pin", "key-check-value");
  fc.assert(
    fc.property(pin, pin, lost, fc.constantFrom("genuine", "pico", "simulated", "unknown"), (user, so, what, maker) => {
      const sentences = explain(reportOf(statusOf(user, so), { maker: maker as "genuine" }), what);
      expect(new Set(sentences).size).toBe(sentences.length);
      for (const sentence of sentences) expect(sentence).toMatch(/^[\w`].{10,}[^.]$/);
    }),
  );
});
