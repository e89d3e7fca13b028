import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { concat, equal, utf8Bytes } from "../../../src/bytes/bytes.ts";
import { decodeArmor, encodeArmor, isArmored, withoutArmor } from "../../../src/crypto/age/armor.ts";
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
    ["a header as PEM may have", [begin, "Version: 1", "", line, end], "line 2 is not canonical"],
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

/** In pieces of these sizes, all in the same memory. */
function* cut(whole: Uint8Array, sizes: readonly number[]): Generator<Uint8Array> {
  const memory = new Uint8Array(Math.max(...sizes));
  for (let at = 0, i = 0; at < whole.length; i++) {
    const piece = whole.subarray(at, at + (sizes[i % sizes.length] ?? 1));
    memory.set(piece);
    yield memory.subarray(0, piece.length);
    memory.fill(0xee);
    at += piece.length;
  }
}

async function outcome(source: AsyncIterable<Uint8Array>): Promise<{ given: Uint8Array; code: string | null }> {
  const parts: Uint8Array[] = [];
  try {
    for await (const part of source) parts.push(part.slice());
  } catch (error) {
    return { given: concat(...parts), code: (error as { code: string }).code };
  }
  return { given: concat(...parts), code: null };
}

const sizes = fc.array(fc.integer({ min: 1, max: 150 }), { minLength: 1, maxLength: 5 });

describe("a stream", () => {
  test("comes out of its armor, however it is cut", async () => {
    await fc.assert(
      fc.asyncProperty(bytes(400), sizes, fc.constantFrom("\n", "\r\n"), async (content, cuts, lineEnd) => {
        const text = new TextDecoder().decode(encodeArmor(content)).replaceAll("\n", lineEnd);
        const armored = utf8Bytes(`\n ${text}\t\r\n `);
        expect(await outcome(withoutArmor(cut(armored, cuts)))).toEqual({ given: content, code: null });
      }),
    );
  });

  test("without armor stays as it is", async () => {
    await fc.assert(
      fc.asyncProperty(bytes(400), sizes, async (content, cuts) => {
        expect(await outcome(withoutArmor(cut(content, cuts)))).toEqual({ given: content, code: null });
      }),
    );
    for (const text of ["", "  \n", begin.slice(0, -1), `${" ".repeat(1500)}age`, `age\n${begin}\n`]) {
      expect(await outcome(withoutArmor(cut(utf8Bytes(text), [7])))).toEqual({ given: utf8Bytes(text), code: null });
    }
  });

  test("changed or cut off anywhere is refused as the whole text is", async () => {
    const armored = encodeArmor(Uint8Array.from({ length: 130 }, (_, i) => i));
    const whole = (text: Uint8Array) => {
      try {
        return { given: decodeArmor(text), code: null };
      } catch (error) {
        return { given: null, code: (error as { code: string }).code };
      }
    };
    for (let at = begin.length; at < armored.length; at++) {
      for (const text of [flipped(armored, at, at % 7), armored.subarray(0, at)]) {
        const expected = whole(text);
        for (const cuts of [[1], [64, 3], [1000]]) {
          const { given, code } = await outcome(withoutArmor(cut(text, cuts)));
          expect(code, `byte ${at}`).toBe(expected.code);
          if (expected.given !== null) expect(given).toEqual(expected.given);
        }
      }
    }
  });

  test("of one endless line is refused before it is held", async () => {
    let asked = 0;
    function* endless(): Generator<Uint8Array> {
      yield utf8Bytes(`${begin}\n`);
      for (; ; asked++) yield utf8Bytes("A".repeat(50));
    }
    expect((await outcome(withoutArmor(endless()))).code).toBe("AGE_ARMOR_INVALID");
    expect(asked).toBeLessThan(5);
  });

  test("is given out line by line, and what stands behind the armor is refused", async () => {
    const text = `${[begin, line, line, end].join("\n")}\n\nmore`;
    expect(await outcome(withoutArmor(cut(utf8Bytes(text), [70, 35, 65])))).toEqual({
      given: new Uint8Array(96),
      code: "AGE_ARMOR_INVALID",
    });
  });
});
