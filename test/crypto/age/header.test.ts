import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { concat, equal, utf8Bytes } from "../../../src/bytes/bytes.ts";
import { buildAgeHeader, headerMacMatches, parseAgeHeader } from "../../../src/crypto/age/header.ts";
import { encodeStanza, type Stanza } from "../../../src/crypto/age/stanza.ts";
import { HsmError } from "../../../src/errors.ts";
import { flipped, refusal } from "../refusal.ts";
import { bytes, fileKey, stanza } from "./arbitraries.ts";

const key = new Uint8Array(16).fill(7);

function text(...lines: string[]): Uint8Array {
  return utf8Bytes(`${lines.join("\n")}\n`);
}

const mac = "A".repeat(43);

describe("stanzas", () => {
  test.each([
    [0, "-> t\n\n"],
    [1, "-> t\nAA\n"],
    [47, `-> t\n${"A".repeat(63)}\n`],
    [48, `-> t\n${"A".repeat(64)}\n\n`],
    [49, `-> t\n${"A".repeat(64)}\nAA\n`],
    [96, `-> t\n${"A".repeat(64)}\n${"A".repeat(64)}\n\n`],
  ])("a body of %d bytes ends with a short line", (length, expected) => {
    expect(encodeStanza({ type: "t", args: [], body: new Uint8Array(length) })).toBe(expected);
  });

  test.each([[""], ["a b"], ["a\n"], ["é"], ["\x7f"], ["\t"]])("%j is no argument", (argument) => {
    for (const [type, args] of [
      [argument, []],
      ["t", [argument]],
    ] as const) {
      expect(refusal(() => encodeStanza({ type, args, body: key })).code).toBe("AGE_STANZA_INVALID");
    }
  });
});

describe("headers", () => {
  test("are read back as they were written, and end where the payload begins", () => {
    fc.assert(
      fc.property(fc.array(stanza, { minLength: 1, maxLength: 4 }), fileKey, bytes(100), (stanzas, k, payload) => {
        const written = buildAgeHeader(stanzas, k);
        const header = parseAgeHeader(concat(written, payload));
        expect(header.stanzas).toEqual(stanzas);
        expect(header.length).toBe(written.length);
        expect(equal(header.macInput, written.subarray(0, written.length - 45))).toBe(true);
        expect(headerMacMatches(header, k)).toBe(true);
      }),
    );
  });

  test("with any byte changed are refused, or their MAC is wrong", () => {
    const stanzas: Stanza[] = [
      { type: "X25519", args: ["abc", "def"], body: new Uint8Array(32).fill(1) },
      { type: "hsmadm/slot", args: ["1", "0"], body: new Uint8Array(48).fill(2) },
    ];
    const written = buildAgeHeader(stanzas, key);
    let read = 0;
    for (let i = 0; i < written.length; i++) {
      for (let bit = 0; bit < 8; bit++) {
        let header: ReturnType<typeof parseAgeHeader>;
        try {
          header = parseAgeHeader(flipped(written, i, bit));
        } catch (error) {
          expect(error).toBeInstanceOf(HsmError);
          continue;
        }
        read++;
        expect(headerMacMatches(header, key), `byte ${i}, bit ${bit}`).toBe(false);
      }
    }
    expect(read).toBeGreaterThan(100);
  });

  test("cut off anywhere are refused", () => {
    const written = buildAgeHeader([{ type: "t", args: [], body: new Uint8Array(50) }], key);
    for (let length = 0; length < written.length; length++) {
      expect(refusal(() => parseAgeHeader(written.subarray(0, length))).code).toBe("AGE_FILE_INVALID");
    }
  });

  test("of another version name it", () => {
    const error = refusal(() => parseAgeHeader(text("age-encryption.org/v2", "-> t", "", `--- ${mac}`)));
    expect([error.code, error.kind]).toEqual(["AGE_VERSION", "not-supported"]);
    expect(error.message).toBe("an age file of version v2; only v1 is known");
  });

  test.each([
    ["no recipients", text("age-encryption.org/v1", `--- ${mac}`), "it has no recipients"],
    ["CRLF", text("age-encryption.org/v1\r", "-> t", "", `--- ${mac}`), "does not begin"],
    ["armor", text("-----BEGIN AGE ENCRYPTED FILE-----"), "armor"],
    ["a MAC of 31 bytes", text("age-encryption.org/v1", "-> t", "", `--- ${"A".repeat(42)}`), "last line"],
    ["a MAC with padding", text("age-encryption.org/v1", "-> t", "", `--- ${mac}=`), "last line"],
    ["a MAC line without a MAC", text("age-encryption.org/v1", "-> t", "", "---"), "last line"],
    ["two spaces", text("age-encryption.org/v1", "-> t  a", "", `--- ${mac}`), "single spaces"],
    ["a space at the end", text("age-encryption.org/v1", "-> t ", "", `--- ${mac}`), "single spaces"],
    ["letters beyond ASCII", text("age-encryption.org/v1", "-> é", "", `--- ${mac}`), "single spaces"],
    ["a body line that is not canonical", text("age-encryption.org/v1", "-> t", "AB", `--- ${mac}`), "canonical"],
    ["a body line too long", text("age-encryption.org/v1", "-> t", "A".repeat(66), `--- ${mac}`), "64 columns"],
    ["scrypt and another", text("age-encryption.org/v1", "-> scrypt a 1", "", "-> t", "", `--- ${mac}`), "only one"],
  ])("%s: refused", (_, file, problem) => {
    const error = refusal(() => parseAgeHeader(file));
    expect([error.code, error.kind]).toEqual(["AGE_FILE_INVALID", "check-failed"]);
    expect(error.message).toContain(problem);
  });

  test("are not written without recipients, with scrypt beside another, or with a file key of another length", () => {
    const t = { type: "t", args: [], body: key };
    expect(refusal(() => buildAgeHeader([], key)).code).toBe("AGE_STANZA_INVALID");
    expect(refusal(() => buildAgeHeader([t, { ...t, type: "scrypt" }], key)).code).toBe("AGE_FILE_INVALID");
    expect(refusal(() => buildAgeHeader([t], new Uint8Array(32))).code).toBe("AGE_FILE_KEY_INVALID");
  });
});
