import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { fromHex, toHex } from "../../../src/bytes/hex.ts";
import { encodeName } from "../../../src/crypto/x509/name.ts";
import { nameText } from "../../../src/crypto/x509/name-text.ts";
import { decodeOid, encodeOid } from "../../../src/crypto/x509/object-identifier.ts";
import { HsmError } from "../../../src/errors.ts";

const again = (text: string) => nameText(encodeName(text));

describe("RFC 4514", () => {
  // Section 4, the examples; UID with its attribute type, as this version spells types.
  test.each([
    ["UID=jsmith,DC=example,DC=net", "UID=jsmith,DC=example,DC=net"],
    ["OU=Sales+CN=J.  Smith,DC=example,DC=net", "OU=Sales+CN=J.  Smith,DC=example,DC=net"],
    ['CN=James \\"Jim\\" Smith\\, III,DC=example,DC=net', 'CN=James \\"Jim\\" Smith\\, III,DC=example,DC=net'],
    ["CN=Lu\\C4\\8Di\\C4\\87", "CN=Lučić"],
    ["1.3.6.1.4.1.1466.0=#04024869", "1.3.6.1.4.1.1466.0=#04024869"],
    // Blanks beside separators are no part of a value, escaped ones are.
    ["CN = a , O=b\\ ", "CN=a,O=b\\ "],
    ["CN=\\ a\\#b", "CN=\\ a#b"],
    ["CN=\\#a", "CN=\\#a"],
    ["cn=a,e=b@c.example", "CN=a,emailAddress=b@c.example"],
    ["2.5.4.3=a", "2.5.4.3=a"],
  ])("%s", (text, written) => {
    // A type given as its identifier is the same type.
    expect(again(text)).toBe(written === "2.5.4.3=a" ? "CN=a" : written);
  });

  test("the last part of the text stands first in the DER, C as PrintableString", () => {
    expect(toHex(encodeName("CN=a,C=DE"))).toBe("3019310B3009060355040613024445310A300806035504030C0161");
  });
});

describe("malformed names are refused, with the place", () => {
  test.each([
    ["", /empty/],
    ["  ", /empty/],
    ["CN", /= is missing behind CN \(at character 3\)/],
    ["=a", /attribute such as CN= is missing \(at character 1\)/],
    ["CN=", /CN is empty/],
    ["CN= ,O=a", /CN is empty/],
    ["CN=a,", /attribute such as CN= is missing/],
    [",CN=a", /attribute such as CN= is missing/],
    ["CN=a,,O=b", /is missing \(at character 6\)/],
    ["CN=a;O=b", /; needs a \\ before it/],
    ['CN="a"', /" needs a \\/],
    ["CN=a<b", /< needs/],
    ["CN=a\\zb", /\\ stands before/],
    ["CN=a\\", /\\ stands before/],
    ["CN=\\FF", /no UTF-8/],
    ["CN=#zz", /one DER value/],
    ["CN=#0C02", /one DER value/],
    ["CN=#0C0161x", /behind a value , or \+ is missing/],
    ["NOPE=a", /"NOPE" is no attribute/],
    ["1.2.=a", /= is missing|is no attribute/],
    ["9.2=a", /"9.2" is no attribute/],
    ["C=de", /two capital letters/],
    ["C=DEU", /at most 2/],
    ["serialNumber=a_b", /letters, digits/],
    ["DC=münchen", /ASCII only/],
    [`CN=${"a".repeat(65)}`, /65 characters, at most 64/],
    ["CN=a\nb", /control character/],
    ["CN=a\\00", /control character/],
    ["CN=\ud800", /no text/],
  ])("%j", (text, message) => {
    const refuse = () => encodeName(text);
    expect(refuse).toThrow(HsmError);
    expect(refuse).toThrow(expect.objectContaining({ code: "NAME_MALFORMED", kind: "usage" }));
    expect(refuse).toThrow(message);
  });
});

test("what was read is written so that it reads the same", () => {
  const value = fc
    .string({ unit: "grapheme", minLength: 1, maxLength: 20 })
    .filter((text) => !/\p{Cc}/u.test(text) && text.trim() !== "" && [...text].length <= 64);
  const written = (text: string) =>
    text
      .replace(/[\\"+,;<>]/g, "\\$&")
      .replace(/^[ #]/, "\\$&")
      .replace(/^(.+) $/s, "$1\\ ");
  fc.assert(
    fc.property(fc.array(value, { minLength: 1, maxLength: 4 }), (values) => {
      const text = values.map((one, i) => `${["CN", "O", "OU", "L"][i]}=${written(one)}`).join(",");
      const der = encodeName(text);
      expect(encodeName(nameText(der))).toEqual(der);
    }),
  );
});

test("any text is a name or a refusal, any bytes are text or a refusal", () => {
  fc.assert(
    fc.property(fc.string(), fc.uint8Array({ maxLength: 60 }), (text, bytes) => {
      for (const attempt of [
        () => encodeName(text),
        () => nameText(bytes),
        () => nameText(fromHex(`30${toHex(Uint8Array.of(bytes.length))}${toHex(bytes)}`)),
      ]) {
        try {
          attempt();
        } catch (error) {
          expect(error).toBeInstanceOf(HsmError);
        }
      }
    }),
  );
});

test("control characters of a name that was read do not reach a terminal", () => {
  expect(nameText(fromHex("300E310C300A06035504030C03611B62"))).toBe("CN=a\\1Bb");
});

describe("object identifiers", () => {
  test.each([
    ["1.2.840.113549.1.1.11", "2A864886F70D01010B"],
    ["2.5.29.17", "551D11"],
    ["2.999.3", "883703"],
    ["1.3.36.3.3.2.8.1.1.7", "2B2403030208010107"],
  ])("%s", (dotted, hex) => {
    expect(toHex(encodeOid(dotted) ?? new Uint8Array(0))).toBe(hex);
    expect(decodeOid(fromHex(hex))).toBe(dotted);
  });
  test.each(["", "1", "3.1", "1.40", "1.2.", "1.02", "a.b", "1.2.99999999999999999999"])("%j is none", (text) =>
    expect(encodeOid(text)).toBeNull(),
  );
  test("one that ends in the middle", () => {
    for (const hex of ["", "2A86", "80"]) expect(() => decodeOid(fromHex(hex))).toThrow(/ends in the middle/);
  });
});
