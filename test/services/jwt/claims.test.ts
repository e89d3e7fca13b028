import { describe, expect, test } from "vitest";
import { claimsAt, claimsIn, otherClaims, ttlSeconds } from "../../../src/services/jwt/claims.ts";
import { madeOn, plausibleNow } from "../../../src/services/jwt/clock.ts";

const now = new Date("2026-11-20T12:00:00.900Z");
const second = Math.floor(now.getTime() / 1000);
const wishes = { audience: ["a"], ttl: 600, others: {} };

describe("claims", () => {
  test("whole seconds, a random name, nothing that was not asked for", () => {
    const claims = claimsAt(now, wishes);
    expect(claims).toEqual({ aud: "a", iat: second, exp: second + 600, jti: expect.stringMatching(/^[\w-]{22}$/) });
    expect(claimsAt(now, wishes)["jti"]).not.toBe(claims["jti"]);
  });

  test("all of them", () => {
    const notBefore = new Date("2026-11-20T12:05:00Z");
    const all = { audience: ["a", "b"], issuer: "i", subject: "s", id: "j", ttl: 900, notBefore, others: { n: 1 } };
    expect(claimsAt(now, all)).toEqual({
      iss: "i",
      sub: "s",
      aud: ["a", "b"],
      iat: second,
      nbf: notBefore.getTime() / 1000,
      exp: second + 900,
      jti: "j",
      n: 1,
    });
    expect(() => claimsAt(now, { ...all, ttl: 60 })).toThrow(/never be valid/);
  });

  test.each([
    ["1", 1],
    ["90s", 90],
    ["10m", 600],
    ["24h", 86_400],
    ["1d", 86_400],
  ])("--ttl %s", (text, seconds) => expect(ttlSeconds(text, false)).toBe(seconds));

  test.each(["", "0", "0m", "-1", "1w", "1.5h", "m", "25h", "2d", "9999999999"])("--ttl %j is refused", (text) => {
    expect(() => ttlSeconds(text, false)).toThrow(expect.objectContaining({ code: "TTL_INVALID", kind: "usage" }));
  });

  test("longer than a day only where that is allowed, never longer than a year", () => {
    expect(ttlSeconds("30d", true)).toBe(30 * 86_400);
    expect(() => ttlSeconds("400d", true)).toThrow(/longer than a year/);
  });

  test("others: texts and a file of any JSON", () => {
    expect(otherClaims(["a=b=c", "d="], { n: [1] })).toEqual({ n: [1], a: "b=c", d: "" });
    // A name that means something to JavaScript is a name like any other.
    expect(JSON.stringify(otherClaims(["__proto__=x"]))).toBe('{"__proto__":"x"}');
    for (const name of ["iss", "sub", "aud", "exp", "nbf", "iat", "jti"]) {
      expect(() => otherClaims([`${name}=x`])).toThrow(expect.objectContaining({ code: "CLAIM_RESERVED" }));
      expect(() => otherClaims([], { [name]: 1 })).toThrow(expect.objectContaining({ code: "CLAIM_RESERVED" }));
    }
    expect(() => otherClaims(["a=1", "a=2"])).toThrow(expect.objectContaining({ code: "CLAIM_TWICE" }));
    expect(() => otherClaims(["a=1"], { a: 1 })).toThrow(expect.objectContaining({ code: "CLAIM_TWICE" }));
    for (const pair of ["a", "=a", ""]) {
      expect(() => otherClaims([pair])).toThrow(expect.objectContaining({ code: "CLAIM_INVALID" }));
    }
  });

  test.each(["", "{", "[]", "7", "null"])("a file of %j is refused", (text) => {
    const read = () => claimsIn(new TextEncoder().encode(text), "f");
    expect(read).toThrow(expect.objectContaining({ code: "CLAIM_INVALID", kind: "usage" }));
  });
});

describe("the clock", () => {
  test("a time before this version was made is refused", () => {
    expect(plausibleNow(now)).toBe(now);
    expect(plausibleNow(madeOn)).toBe(madeOn);
    for (const wrong of [new Date(0), new Date(madeOn.getTime() - 1), new Date(Number.NaN)]) {
      expect(() => plausibleNow(wrong)).toThrow(expect.objectContaining({ code: "CLOCK_WRONG", kind: "service" }));
    }
  });
  test("this version was not made in the future", () => expect(madeOn.getTime()).toBeLessThanOrEqual(Date.now()));
});
