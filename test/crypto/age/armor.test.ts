import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { equal, utf8Bytes } from "../../../src/bytes/bytes.ts";
import { decodeArmor, encodeArmor, isArmored } from "../../../src/crypto/age/armor.ts";
import { decodeBase64, encodeBase64 } from "../../../src/crypto/age/base64.ts";
import { flipped, refusal } from "../refusal.ts";
import { bytes } from "./arbitraries.ts";

const begin = "-----BEGIN AGE ENCRYPTED FILE-----";
const end = "-----END AGE ENCRYPTED FILE-----";
const line = "A".repeat(64);

describe("base64 without padding", () => {
  test("is read in its one spelling only", () => {
    fc.assert(
      fc.property(bytes(100), (content) => {
        const text = encodeBase64(content);
        expect(text).toMatch(/^[A-Za-z0-9+/]*$/);
        expect(decodeBase64(text)).toEqual(content);
      }),
    );
    for (const text of ["A", "AB", "AAB", "AA==", "AA=", "A-", "A_", "A A", "AA\n", "\tAA", "AAAAA", "é"]) {
      expect(decodeBase64(text), text).toBeNull();
    }
  });
});

describe("armor", () => {
  test("comes off as it was put on", () => {
    fc.assert(
      fc.property(bytes(200), (content) => {
        const armored = encodeArmor(content);
        expect(isArmored(armored)).toBe(true);
        expect(decodeArmor(armored)).toEqual(content);
      }),
    );
  });

  test("may stand between white space and have CRLF", () => {
    const text = `\r\n \t${[begin, line, "AAAA", end].join("\r\n")} \n\n`;
    expect(isArmored(utf8Bytes(text))).toBe(true);
    expect(decodeArmor(utf8Bytes(text))).toEqual(new Uint8Array(51));
  });

  test("with one bit changed is refused, or gives other bytes: what is in it has its own MAC", () => {
    const content = Uint8Array.from({ length: 70 }, (_, i) => i);
    const armored = encodeArmor(content);
    let refused = 0;
    for (let i = 0; i < armored.length - 1; i++) {
      try {
        expect(equal(decodeArmor(flipped(armored, i, 1)), content), `byte ${i}`).toBe(false);
      } catch (error) {
        expect((error as { code: string }).code).toBe("AGE_ARMOR_INVALID");
        refused++;
      }
    }
    expect(refused).toBeGreaterThan(begin.length + end.length);
  });

  test.each([
    ["no first line", [line, end], "first line"],
    ["no last line", [begin, line], "last line"],
    ["the first line alone", [begin], "last line"],
    ["another kind of PEM", ["-----BEGIN CERTIFICATE-----", line, "-----END CERTIFICATE-----"], "first line"],
    ["a header as PEM may have", [begin, "Version: 1", "", line, end], "line 2 has not 64 columns"],
    ["a short line that is not the last", [begin, "AAAA", line, end], "line 2 has not 64 columns"],
    ["a long line", [begin, `${line}AAAA`, end], "line 2 has not 64 columns"],
    ["an empty line", [begin, line, "", end], "line 3 has not 64 columns"],
    ["no padding", [begin, "AA", end], "line 2 is not canonical"],
    ["stray bits", [begin, "AB==", end], "line 2 is not canonical"],
    ["padding within", [begin, `${"A".repeat(62)}==`, "AAAA", end], "line 2 is not canonical"],
    ["white space in a line", [begin, " AAA", end], "line 2 is not canonical"],
    ["white space behind a line", [begin, "AAA= ", end], "line 2 is not canonical"],
    ["two carriage returns", [begin, "AAAA\r\r", end], "line 2 is not canonical"],
  ])("%s: refused", (_, lines, problem) => {
    const error = refusal(() => decodeArmor(utf8Bytes(`${lines.join("\n")}\n`)));
    expect([error.code, error.kind]).toEqual(["AGE_ARMOR_INVALID", "check-failed"]);
    expect(error.message).toContain(problem);
  });

  test("is not seen where none is", () => {
    for (const text of ["", "  \n", "age-encryption.org/v1\n", begin.slice(0, -1)]) {
      expect(isArmored(utf8Bytes(text))).toBe(false);
      expect(refusal(() => decodeArmor(utf8Bytes(text))).code).toBe("AGE_ARMOR_INVALID");
    }
  });
});
