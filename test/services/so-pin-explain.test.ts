import fc from "fast-check";
import { expect, test } from "vitest";
import { fromHex, toHex } from "../../src/bytes/hex.ts";
import { checkSoPin } from "../../src/cards/smartcard-hsm/pins.ts";
import { explainSoPin } from "../../src/services/pins/so-pin-explain.ts";

// The two spellings of the same SO-PIN that circulate (reference 06 section 6.4).
test("3537363231383830 and 57621880 are the same eight bytes", () => {
  const hex = explainSoPin("3537363231383830");
  expect(hex.readings).toEqual([
    {
      spelling: "hex",
      hex: "3537363231383830",
      characters: "57621880",
      meaning: expect.stringContaining("sc-hsm-tool"),
      userPinAfterInitToken: { hex: "353736323138", characters: "576218" },
    },
  ]);
  const characters = explainSoPin("57621880");
  expect(characters.readings).toEqual([
    { ...hex.readings[0], spelling: "characters", meaning: expect.stringContaining("pico-hsm") },
  ]);
  expect(characters.warnings).toEqual([
    "hsmadm takes an SO-PIN as 16 hex digits only: type 3537363231383830",
    expect.stringContaining("8 hex digits are also half of an SO-PIN"),
    expect.stringContaining("a login as SO with pkcs11-tool proves nothing"),
  ]);
});

test("eight characters that are not hex digits are not ambiguous", () => {
  const { readings, warnings } = explainSoPin("Hsm-2026");
  expect(readings.map(({ hex }) => hex)).toEqual(["48736D2D32303236"]);
  expect(warnings.join()).not.toContain("half of an SO-PIN");
});

// OpenSC issue 674: changed to this with OpenSC 0.15, the hex reading was refused afterwards.
test("0123456789ABCDEF has two readings, hex first", () => {
  const { readings, warnings } = explainSoPin("0123456789ABCDEF");
  expect(readings.map(({ spelling, hex }) => [spelling, hex])).toEqual([
    ["hex", "0123456789ABCDEF"],
    ["opensc-before-0.16", "0123456789123456"],
  ]);
  expect(warnings[0]).toContain("stored A-F as 1-6");
  expect(warnings[1]).toContain("15 wrong SO-PINs block it for good");
});

// OpenSC issue 1152: this was accepted by a change through PKCS#11. The low half of each code: J 4A, c 63, o 6F, b 62 …
test("16 characters that are not hex have the old OpenSC's reading only", () => {
  const { readings, warnings } = explainSoPin("JcobBr{y#)bE)W#b");
  expect(readings.map(({ spelling, hex }) => [spelling, hex])).toEqual([["opensc-before-0.16", "A3F222B939259732"]]);
  expect(warnings[0]).toContain("not all hex digits");
});

test.each([
  ["", "0 bytes are no SO-PIN"],
  ["1", "1 byte is no SO-PIN"],
  ["353736323138383", "15 bytes are no SO-PIN"],
  ["35373632313838300", "17 bytes are no SO-PIN"],
  ["35 37 36 32 31 38 38 30", "no blanks, colons or dashes"],
  ["35:37:36:32:31:38:38:30", "no blanks, colons or dashes"],
  ["ääää", "not of printable ASCII"],
])("%j has no reading: %s", (text, reason) => {
  const { readings, warnings } = explainSoPin(text);
  expect(readings).toEqual([]);
  expect(warnings[0]).toContain(reason);
});

test("the hex reading is what the driver would send, for every 16 digits in either case", () => {
  const digit = fc.constantFrom(..."0123456789abcdefABCDEF");
  fc.assert(
    fc.property(fc.string({ unit: digit, minLength: 16, maxLength: 16 }), (text) => {
      const { readings } = explainSoPin(text);
      expect(readings[0]?.hex).toBe(toHex(checkSoPin(new TextEncoder().encode(text))));
      expect(new Set(readings.map(({ hex }) => hex)).size).toBe(readings.length);
    }),
  );
});

test("any text is answered, and every reading is eight bytes", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary", maxLength: 24 }), (text) => {
      const { readings, warnings } = explainSoPin(text);
      for (const { hex } of readings) expect(fromHex(hex).length).toBe(8);
      expect(warnings.length).toBeGreaterThan(0);
    }),
  );
});
