import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { concat, utf8Bytes } from "../../src/bytes/bytes.ts";
import { fromHex } from "../../src/bytes/hex.ts";
import { optionNames, parseApplicationInfo } from "../../src/cards/smartcard-hsm/application.ts";
import { recogniseAtr } from "../../src/cards/smartcard-hsm/atr.ts";
import { queryKeyDomain } from "../../src/cards/smartcard-hsm/key-domains.ts";
import { pinStateOf } from "../../src/cards/smartcard-hsm/pin-commands.ts";
import { checkSoPin, checkUserPin, soPinBytes } from "../../src/cards/smartcard-hsm/pins.ts";
import { decodeTokenInfo, encodeTokenInfo } from "../../src/cards/smartcard-hsm/pkcs15-token-info.ts";
import { type PinState, tokenState } from "../../src/cards/smartcard-hsm/token-status.ts";

describe("SELECT's answer", () => {
  test.each([
    ["v1.2, two bytes", "6F07820178 85020102", { version: { major: 1, minor: 2 }, options: null, profile: "genuine" }],
    ["v4.1", "6F0A820178 85050021000401", { version: { major: 4, minor: 1 }, options: 0x21, profile: "genuine" }],
    ["v3.5, FCP", "620A820178 85050003000305", { version: { major: 3, minor: 5 }, options: 3, platform: "production" }],
    // As recorded; 84 is shifted by one byte there and stands before 85.
    [
      "pico 6.6",
      "62228102000082010183020000840B2B0601040181C31F0201308A01058505 0001FF0606",
      { version: { major: 6, minor: 6 }, options: 1, platform: "unspecified", profile: "pico" },
    ],
    ["demo", "6F0A820178 85050000010200", { platform: "demo", options: 0 }],
    ["unknown platform", "6F0A820178 85050000420200", { platform: 0x42, profile: "unknown" }],
  ])("%s", (_, hex, expected) => {
    expect(parseApplicationInfo(fromHex(hex))).toMatchObject(expected);
  });

  test.each([
    ["nothing", ""],
    ["no 85 (another card that takes any AID)", "6F05840312345 6".replace(" ", "")],
    ["85 of one byte", "6F03850104"],
    ["another template", "7007820178 85020102"],
    ["cut off", "6F0A820178 8505002100"],
  ])("%s is no SmartCard-HSM", (_, hex) => {
    expect(() => parseApplicationInfo(fromHex(hex))).toThrow();
  });

  test("option names", () => {
    expect(optionNames(0x21)).toEqual(["user PIN reset with SO-PIN", "counter reset without new user PIN"]);
    expect(optionNames(0x0c)).toEqual(["session PIN, cleared explicitly"]);
    expect(optionNames(0x08)).toEqual(["authentication keys replaceable"]);
    expect(optionNames(0)).toEqual([]);
  });
});

test("ATRs", () => {
  expect(recogniseAtr(fromHex("3BFE1800008131FE458031815448534D31738021408107FA"))?.name).toContain("Pico HSM");
  expect(recogniseAtr(fromHex("3BDE18FF8191FE1FC38031815448534D31738021408107 1C"))?.name).toContain("Nitrokey HSM 2");
  expect(recogniseAtr(fromHex("3B8E80018031815448534D3173802140810718"))?.contactless).toBe(true);
  expect(recogniseAtr(fromHex("3B8480 01 476F4944 00"))?.name).toBe("GoID");
  expect(recogniseAtr(fromHex("3BFE1100008031815448534D31738021408107AA"))?.name).toContain("HSM1");
  expect(recogniseAtr(fromHex("3B68000000734E6974726F"))).toBeNull();
  expect(recogniseAtr(new Uint8Array(0))).toBeNull();
});

describe("PIN states", () => {
  test.each([
    ["user-pin", 0x63c3, false, { state: "ready", triesLeft: 3 }],
    ["so-pin", 0x63cf, false, { state: "ready", triesLeft: 15 }],
    ["user-pin", 0x63c0, false, { state: "blocked", triesLeft: 0 }],
    ["user-pin", 0x6983, false, { state: "blocked", triesLeft: 0 }],
    ["user-pin", 0x9000, false, { state: "verified", triesLeft: null }],
    ["user-pin", 0x6984, false, { state: "transport", triesLeft: null }],
    ["user-pin", 0x6984, true, { state: "uninitialised", triesLeft: null }],
    ["so-pin", 0x6984, false, { state: "uninitialised", triesLeft: null }],
    ["so-pin", 0x6a88, false, { state: "uninitialised", triesLeft: null }],
    ["user-pin", 0x6300, false, { state: "public-key", triesLeft: null }],
    ["user-pin", 0x6700, false, { state: "unreadable", triesLeft: null }],
  ] as const)("%s %i (v1.x: %s)", (which, sw, old, expected) => {
    expect(pinStateOf(which, sw, old)).toEqual({ ...expected, sw });
  });

  // 6983 & 0F would read as "3 tries left".
  test("only 63Cx tells a number above zero", () => {
    for (let sw = 0; sw <= 0xffff; sw++) {
      const { triesLeft } = pinStateOf("user-pin", sw);
      if (sw >> 4 !== 0x63c && triesLeft !== null) expect([sw, triesLeft]).toEqual([0x6983, 0]);
    }
  });

  const pin = (sw: number): PinState => pinStateOf("user-pin", sw);
  const so = (sw: number): PinState => pinStateOf("so-pin", sw);
  test.each([
    ["uninitialised", 0x6a88, 0x6a88, "none"],
    ["operational", 0x63c3, 0x63cf, "complete"],
    ["operational", 0x9000, 0x63cf, "none"],
    ["transport-pin", 0x6984, 0x63cf, "none"],
    ["user-pin-blocked", 0x6983, 0x63ce, "pending"],
    ["so-pin-blocked", 0x63c3, 0x6983, "pending"],
    ["both-blocked", 0x6983, 0x6983, "none"],
    ["dkek-shares-pending", 0x63c3, 0x63cf, "pending"],
    ["public-key-authentication", 0x6300, 0x63cf, "none"],
    ["unreadable", 0x6f00, 0x63cf, "none"],
    ["unreadable", 0x63c3, 0x6f00, "none"],
    ["unreadable", 0x63c3, 0x6a88, "none"],
  ] as const)("%s: 81 says %i, 88 says %i, DKEK %s", (state, user, officer, dkek) => {
    expect(tokenState(pin(user), so(officer), [{ state: dkek }])).toBe(state);
  });
});

describe("DKEK", () => {
  const answer = (hex: string, sw = 0x9000) => queryKeyDomain(0).parse({ data: fromHex(hex), sw });
  test.each([
    ["complete", "0100 630DCD2966C43366", { state: "complete", shares: 1, kcv: "630DCD2966C43366", kcvNote: null }],
    ["complete, before login", "0100 0000000000000000", { state: "complete", kcv: null, kcvNote: "before-login" }],
    ["pending", "0201 0000000000000000", { state: "pending", shares: 2, outstanding: 1, kcv: null, kcvNote: null }],
    ["pico without DKEK", "0000 0000000000000000", { state: "none", kcv: null, kcvNote: null }],
    ["random", "0000 630DCD2966C43366", { state: "random", kcv: "630DCD2966C43366" }],
    ["more missing than there are", "0102 0000000000000000", { state: "unknown" }],
    ["too short", "0100 63", { state: "unknown" }],
  ])("%s", (_, hex, expected) => {
    expect(answer(hex)).toMatchObject(expected);
  });
  test.each([
    [0x6d00, "none"],
    [0x6b00, "none"],
    [0x6a86, "none"],
    [0x6a88, "not-created"],
    [0x6f00, "unknown"],
    [0x6982, "unknown"],
  ])("status word %i", (sw, state) => {
    expect(answer("", sw)).toMatchObject({ state, kcv: null });
  });
});

describe("PINs on the host", () => {
  test("a new user PIN has 6-15 bytes, a current one 1-16", () => {
    for (let length = 0; length <= 20; length++) {
      const value = new Uint8Array(length).fill(0x31);
      const refused = (role: "new" | "current") => {
        try {
          checkUserPin(value, role);
          return false;
        } catch (error) {
          expect(error).toMatchObject({ kind: "usage", code: "PIN_MALFORMED", exitCode: 2 });
          return true;
        }
      };
      expect(refused("new")).toBe(length < 6 || length > 15);
      expect(refused("current")).toBe(length < 1 || length > 16);
    }
  });

  test("an SO-PIN is 16 hex digits", () => {
    expect(checkSoPin(utf8Bytes("3537363231383830"))).toEqual(utf8Bytes("57621880"));
    expect(checkSoPin(utf8Bytes("abcdefABCDEF0123"))).toEqual(fromHex("ABCDEFABCDEF0123"));
    expect(soPinBytes(fromHex("ABCDEFABCDEF0123"))).toEqual(fromHex("ABCDEFABCDEF0123"));
  });

  test("eight characters: says that the ASCII spelling is given as hex", () => {
    expect(() => checkSoPin(utf8Bytes("57621880"))).toThrow(
      expect.objectContaining({
        code: "SO_PIN_MALFORMED",
        kind: "usage",
        advice: expect.stringMatching(/ASCII.*so-pin explain/),
      }),
    );
  });

  test("anything else is refused, and the message does not repeat it", () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[\x21-\x7e]{6,40}$/), (text) => {
        fc.pre(!/^[0-9a-fA-F]{16}$/.test(text));
        const error = caught(() => checkSoPin(utf8Bytes(text)));
        expect(error).toMatchObject({ code: "SO_PIN_MALFORMED", kind: "usage", which: "so-pin" });
        expect(JSON.stringify(error) + (error as Error).message).not.toContain(text);
      }),
    );
  });
});

function caught(work: () => unknown): unknown {
  try {
    work();
  } catch (error) {
    return error;
  }
  return undefined;
}

describe("TokenInfo", () => {
  test("OpenSC's own (test/vectors/pkcs15.json)", () => {
    const der = fromHex("30110201008008746573742068736D03020520");
    expect(encodeTokenInfo("test hsm")).toEqual(der);
    expect(decodeTokenInfo(der).label).toBe("test hsm");
  });
  test("what was encoded is decoded, whatever stands behind it", () => {
    const label = fc
      .string({ unit: "grapheme", minLength: 1, maxLength: 20 })
      .filter((text) => !/\p{Cc}/u.test(text) && utf8Bytes(text).length <= 64 && utf8Bytes(text).length > 0)
      .filter((text) => !/\p{Cs}/u.test(text));
    fc.assert(
      fc.property(label, fc.uint8Array({ maxLength: 8 }), (text, tail) => {
        expect(decodeTokenInfo(concat(encodeTokenInfo(text), tail)).label).toBe(text);
      }),
    );
  });
  test.each(["", "a\nb", "x".repeat(65), "\ud800"])("label %j is refused", (label) => {
    expect(() => encodeTokenInfo(label)).toThrow(expect.objectContaining({ code: "LABEL_MALFORMED", kind: "usage" }));
  });
});
