import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { utf8Bytes, utf8Text } from "../../../src/bytes/bytes.ts";
import { base64Length, readBase64, writeBase64 } from "../../../src/services/vault/document/base64-bytes.ts";
import { encodeDocument, parseDocument } from "../../../src/services/vault/document/document-json.ts";
import type { VaultDocument, VaultSecret } from "../../../src/services/vault/document/vault-document.ts";

const name = fc.stringMatching(/^[a-z0-9][a-z0-9._/-]{0,20}$/);
const date = fc.constantFrom("2026-11-20T09:00:00Z", "2027-01-31T23:59:59Z");
const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
const count = fc.integer({ min: 1, max: 0xffff_ffff });
const note = fc.option(
  fc.string({ unit: "grapheme", maxLength: 20 }).filter((text) => !/[\p{Cc}\p{Cs}\u2028\u2029]/u.test(text)),
  { nil: undefined },
);

const secret: fc.Arbitrary<VaultSecret> = fc
  .record({
    type: fc.constantFrom("raw" as const, "text" as const),
    raw: fc.uint8Array({ maxLength: 200 }),
    revision: count,
    created: date,
    updated: date,
    note,
  })
  .map(({ type, raw, note, ...rest }) => ({
    ...rest,
    type,
    value: type === "raw" ? raw : utf8Bytes(`ä${raw.length}`),
    ...(note === undefined ? {} : { note }),
  }));

const document: fc.Arbitrary<VaultDocument> = fc.record({
  id: fc.stringMatching(/^v1-[a-z2-7]{26}$/),
  generation: count,
  previous: fc.option(bytes(32)),
  created: date,
  updated: date,
  seed: bytes(32),
  secrets: fc.dictionary(name, secret, { maxKeys: 5 }).map((all) => new Map(Object.entries(all))),
  retired: fc.array(fc.record({ id: fc.constant("v1-a"), seed: bytes(32), retired: date }), { maxLength: 3 }),
});

const sample: VaultDocument = {
  id: "v1-abc",
  generation: 7,
  previous: null,
  created: "2026-11-20T09:00:00Z",
  updated: "2026-11-20T10:00:00Z",
  seed: new Uint8Array(32).fill(1),
  secrets: new Map<string, VaultSecret>([
    [
      "zfs/tank",
      {
        type: "raw",
        value: new Uint8Array(32).fill(2),
        revision: 1,
        created: "2026-11-20T09:00:00Z",
        updated: "2026-11-20T09:00:00Z",
      },
    ],
    [
      "borg",
      {
        type: "text",
        value: utf8Bytes("pass"),
        revision: 2,
        created: "2026-11-20T09:00:00Z",
        updated: "2026-11-20T10:00:00Z",
        note: 'the "laptop" é',
      },
    ],
  ]),
  retired: [],
};

function text(of: VaultDocument): string {
  return utf8Text(encodeDocument(of)) ?? "";
}

/** The sample with one piece of its text replaced, at its full length again. */
function changed(from: string | RegExp, to: string): Uint8Array {
  const before = text(sample).trimEnd();
  const after = before.replace(from, to);
  expect(after, `${from}`).not.toBe(before);
  return utf8Bytes(after.padEnd(Math.ceil(after.length / 1024) * 1024));
}

describe("base64 without texts", () => {
  test("is what others write and read", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (value) => {
        const target = new Uint8Array(base64Length(value.length));
        expect(writeBase64(value, target, 0)).toBe(target.length);
        expect(utf8Text(target)).toBe(Buffer.from(value).toString("base64"));
        expect(readBase64(target)).toEqual(value);
      }),
    );
  });

  test.each(["A", "AA", "AAA", "AA=A", "A===", "====", "AB==", "AAB=", "AA-A", "AAA ", "AAAA="])(
    "refuses %s",
    (bad) => {
      expect(readBase64(utf8Bytes(bad))).toBeNull();
    },
  );
});

describe("the payload", () => {
  test("is read as it was written, a multiple of 1 KiB long", () => {
    fc.assert(
      fc.property(document, (value) => {
        const bytes = encodeDocument(value);
        expect(bytes.length % 1024).toBe(0);
        const again = parseDocument(bytes);
        expect({ ...again, secrets: Object.fromEntries(again.secrets) }).toEqual({
          ...value,
          secrets: Object.fromEntries(value.secrets),
        });
      }),
    );
  });

  test("is JSON for jq: secrets.NAME.value in standard base64, fields in the order of their names", () => {
    const json = JSON.parse(text(sample)) as Record<string, unknown>;
    expect(json).toEqual({
      created: "2026-11-20T09:00:00Z",
      gen: 7,
      hsmadm_vault: 1,
      id: "v1-abc",
      prev: null,
      retired: [],
      secrets: {
        borg: {
          created: "2026-11-20T09:00:00Z",
          note: 'the "laptop" é',
          rev: 2,
          type: "text",
          updated: "2026-11-20T10:00:00Z",
          value: "cGFzcw==",
        },
        "zfs/tank": {
          created: "2026-11-20T09:00:00Z",
          rev: 1,
          type: "raw",
          updated: "2026-11-20T09:00:00Z",
          value: Buffer.alloc(32, 2).toString("base64"),
        },
      },
      seed: Buffer.alloc(32, 1).toString("base64"),
      updated: "2026-11-20T10:00:00Z",
    });
    expect(Object.keys(json)).toEqual(Object.keys(json).sort());
  });

  test.each<[string, string | RegExp, string]>([
    ["a space inside", ',"gen"', ', "gen"'],
    ["fields in another order", /"gen":7,"hsmadm_vault":1/, '"hsmadm_vault":1,"gen":7'],
    ["an unknown field", ',"gen"', ',"extra":1,"gen"'],
    ["a field twice", '"gen":7', '"gen":7,"gen":7'],
    ["a missing field", '"gen":7,', ""],
    ["a number with a fraction", '"gen":7', '"gen":7.0'],
    ["a leading zero", '"gen":7', '"gen":07'],
    ["generation zero", '"gen":7', '"gen":0'],
    ["a short seed", /"seed":"AQEB/, '"seed":"'],
    ["base64 without padding", '"cGFzcw=="', '"cGFzcw"'],
    ["stray bits in base64", '"cGFzcw=="', '"cGFzcx=="'],
    ["an escaped value", '"cGFzcw=="', '"cGFzc\\u0077=="'],
    ["an escaped name", '"borg"', '"b\\u006frg"'],
    ["a name outside the grammar", '"borg"', '"Borg"'],
    ["an unknown type", '"type":"text"', '"type":"blob"'],
    ["text that is not UTF-8", '"cGFzcw=="', '"//8="'],
    ["a date that is none", "2026-11-20T10:00:00Z", "2026-11-20 10:00"],
    ["a digest that is none", '"prev":null', '"prev":"00"'],
    ["a second document", /}$/, "}{}"],
    ["an end too early", /}$/, ""],
    ["no JSON at all", /^\{/, "["],
  ])("is refused with %s", (_what, from, to) => {
    expect(() => parseDocument(changed(from, to))).toThrow(expect.objectContaining({ code: "VAULT_DOCUMENT_INVALID" }));
  });

  test("is refused without its padding, and with too much of it", () => {
    const bytes = encodeDocument(sample);
    for (const wrong of [bytes.subarray(0, -1), utf8Bytes(`${text(sample)}${" ".repeat(1024)}`)]) {
      expect(() => parseDocument(wrong)).toThrow(expect.objectContaining({ code: "VAULT_DOCUMENT_INVALID" }));
    }
  });

  test("another version is told from a broken one", () => {
    expect(() => parseDocument(changed('"hsmadm_vault":1', '"hsmadm_vault":2'))).toThrow(
      expect.objectContaining({ code: "VAULT_VERSION", kind: "not-supported" }),
    );
  });

  test("never tells what stands in it", () => {
    for (const at of Array.from({ length: 300 }, (_, i) => i)) {
      const bytes = encodeDocument(sample);
      bytes[at] = 0x01;
      try {
        parseDocument(bytes);
      } catch (error) {
        expect(String(error)).not.toMatch(/cGFz|AQEB|AgIC/);
      }
    }
  });

  test("ends at 4 MiB", () => {
    const large = { ...secretOf(3 * 1024 * 1024 - 1024) };
    expect(encodeDocument(large).length).toBeLessThanOrEqual(4 * 1024 * 1024);
    expect(() => encodeDocument(secretOf(3 * 1024 * 1024))).toThrow(
      expect.objectContaining({ code: "VAULT_TOO_LARGE" }),
    );
  });
});

function secretOf(length: number): VaultDocument {
  const borg = sample.secrets.get("borg");
  if (borg === undefined) throw new Error("the sample has a secret");
  return { ...sample, secrets: new Map([["big", { ...borg, type: "raw", value: new Uint8Array(length) }]]) };
}
