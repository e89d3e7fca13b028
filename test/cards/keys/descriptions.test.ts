import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { equal } from "../../../src/bytes/bytes.ts";
import { fromHex, toHex } from "../../../src/bytes/hex.ts";
import { encodeTlv } from "../../../src/bytes/tlv.ts";
import { decodeBits, decodeInteger, encodeBits, encodeInteger } from "../../../src/cards/smartcard-hsm/pkcs15-der.ts";
import {
  decodeCertificateDescription,
  decodeDataDescription,
  encodeCertificateDescription,
  encodeDataDescription,
} from "../../../src/cards/smartcard-hsm/pkcs15-file-description.ts";
import {
  decodeKeyDescription,
  encodeKeyDescription,
  keyUsages,
  moveKeyDescription,
  relabelKeyDescription,
} from "../../../src/cards/smartcard-hsm/pkcs15-key-description.ts";
import { HsmError } from "../../../src/errors.ts";
import { vectors } from "../../crypto/vectors.ts";
import { RecordedCard, recordedVersions } from "../support/recorded-card.ts";

const { items } = vectors("pkcs15") as { items: Record<string, { der: string }> };
const der = (name: string): Uint8Array => fromHex(items[name]?.der ?? "");
const id = Uint8Array.of(0x10);

describe("key descriptions", () => {
  test.each([
    ["prkd_rsa2048_opensc", { kind: "rsa", label: "mykey", id, bits: 2048, keyReference: 1 }],
    ["prkd_ec256_opensc", { kind: "ec", label: "mykey", id, bits: 256, keyReference: 2 }],
    ["skd_aes256", { kind: "aes", label: "mykey", id, bits: 256, keyReference: 3 }],
  ] as const)("%s is written byte for byte", (name, key) => {
    expect(toHex(encodeKeyDescription(key))).toBe(toHex(der(name)));
  });

  test.each([
    ["prkd_rsa2048_opensc", "rsa", 2048, ["decrypt", "sign", "sign-recover", "unwrap"], 1, true],
    ["prkd_ec256_opensc", "ec", 256, ["sign", "derive"], 2, true],
    ["prkd_rsa2048_cardcontact", "rsa", 2048, ["decrypt", "sign", "sign-recover", "unwrap"], null, null],
    ["prkd_ec256_cardcontact", "ec", 256, ["sign", "derive"], null, null],
    ["skd_aes256", "aes", 256, ["encrypt", "decrypt"], null, null],
  ])("%s is read", (name, kind, bits, usage, keyReference, local) => {
    expect(decodeKeyDescription(der(name))).toEqual({ kind, label: "mykey", id, bits, usage, keyReference, local });
  });

  test.each([
    // Pico HSM's own: no label, the id in decimal digits, 528 bits for P-521.
    ["A01B30020C00300904023136030307208 0A10A30083002040002020210".replace(" ", ""), { label: "", bits: 521 }],
    // No field size, and one whose integer lacks its zero.
    ["A01B30070C056D796B657930080401100303072080A106300430020400", { bits: null }],
    ["A01E30070C056D796B657930080401100303072080A1093007300204000201E0", { bits: 224 }],
    // AES without path, and with the length directly in A0.
    ["A81B30070C056D796B65793008040110030307C010A006300402020100", { kind: "aes", bits: 256 }],
    ["A81930070C056D796B65793008040110030307C010A00402020100", { kind: "aes", bits: 256 }],
  ])("%s of another writer is read", (hex, expected) => {
    expect(decodeKeyDescription(fromHex(hex))).toMatchObject(expected);
  });

  test("the tail of a longer file before it is not looked at", () => {
    const bytes = fromHex(`${items["prkd_ec256_opensc"]?.der}DEADBEEF`);
    expect(decodeKeyDescription(bytes).label).toBe("mykey");
    expect(toHex(relabelKeyDescription(bytes, "mykey"))).toBe(items["prkd_ec256_opensc"]?.der);
  });

  const newKey = fc.record({
    kind: fc.constantFrom("rsa" as const, "ec" as const, "aes" as const),
    label: fc.string({ maxLength: 40, unit: "grapheme" }).filter((text) => !/\p{Cc}|\p{Cs}/u.test(text)),
    id: fc.uint8Array({ minLength: 1, maxLength: 40 }),
    bits: fc.integer({ min: 1, max: 8192 }).filter((bits) => bits !== 528),
    keyReference: fc.integer({ min: 1, max: 255 }),
  });

  test("what is written is read again, whatever the label", () => {
    fc.assert(
      fc.property(newKey, fc.boolean(), (key, local) => {
        const read = decodeKeyDescription(encodeKeyDescription({ ...key, local }));
        expect(read).toMatchObject({ kind: key.kind, label: key.label, id: key.id, bits: key.bits });
        if (key.kind !== "aes") expect(read).toMatchObject({ keyReference: key.keyReference, local });
      }),
    );
  });

  test("usage is told as it was wished", () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.constantFrom(...keyUsages)), (usage) => {
        const bytes = encodeKeyDescription({ kind: "ec", label: "x", id, bits: 256, keyReference: 1, usage });
        expect([...decodeKeyDescription(bytes).usage].sort()).toEqual([...usage].sort());
      }),
    );
  });

  test("another label changes nothing else, and back again gives the same bytes", () => {
    fc.assert(
      fc.property(fc.constantFrom(...Object.keys(items).filter((name) => /^(prkd|skd)/.test(name))), (name) => {
        const renamed = relabelKeyDescription(der(name), "ein anderer Schlüssel");
        expect(decodeKeyDescription(renamed)).toEqual({
          ...decodeKeyDescription(der(name)),
          label: "ein anderer Schlüssel",
        });
        expect(toHex(relabelKeyDescription(renamed, "mykey"))).toBe(toHex(der(name)));
      }),
    );
  });

  test("in another place only the key reference is another", () => {
    const moved = moveKeyDescription(der("prkd_ec256_opensc"), 200);
    expect(decodeKeyDescription(moved)).toEqual({
      ...decodeKeyDescription(der("prkd_ec256_opensc")),
      keyReference: 200,
    });
    // A form without one stays as it is.
    expect(toHex(moveKeyDescription(der("prkd_ec256_cardcontact"), 9))).toBe(toHex(der("prkd_ec256_cardcontact")));
  });

  test.each([
    ["no id", { id: new Uint8Array(0) }],
    ["a long id", { id: new Uint8Array(129) }],
    ["a control character", { label: "a\u001b[2J" }],
    ["a long label", { label: "x".repeat(256) }],
    ["half a character", { label: "\ud800" }],
  ])("refused to write: %s", (_, change) => {
    const key = { kind: "rsa", label: "x", id, bits: 2048, keyReference: 1, ...change } as const;
    expect(() => encodeKeyDescription(key)).toThrow(expect.objectContaining({ code: "KEY_DESCRIPTION_INVALID" }));
  });

  test("cut anywhere, flipped anywhere, or random: read or an error of ours", () => {
    const whole = der("prkd_rsa2048_opensc");
    for (let length = 0; length < whole.length; length++) {
      expect(() => decodeKeyDescription(whole.subarray(0, length))).toThrow(HsmError);
    }
    const tame = (bytes: Uint8Array): void => {
      for (const read of [decodeKeyDescription, decodeCertificateDescription, decodeDataDescription]) {
        try {
          read(bytes);
        } catch (error) {
          expect(error).toBeInstanceOf(HsmError);
        }
      }
    };
    for (let bit = 0; bit < 8 * whole.length; bit++) {
      const flipped = whole.slice();
      flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      tame(flipped);
    }
    fc.assert(fc.property(fc.uint8Array({ maxLength: 60 }), tame));
    fc.assert(
      fc.property(fc.constantFrom(0x30, 0xa0, 0xa8), fc.array(fc.uint8Array({ maxLength: 12 })), (tag, parts) =>
        tame(encodeTlv(tag, ...parts.map((part) => encodeTlv(0x30, part)))),
      ),
    );
  });
});

describe("descriptions of files", () => {
  test("CD and DCOD are OpenSC's, both ways", () => {
    const certificate = { label: "cert", id, authority: true, fid: 0xca01 };
    expect(toHex(encodeCertificateDescription(certificate))).toBe(toHex(der("cd_ca_cert_opensc")));
    expect(decodeCertificateDescription(der("cd_ca_cert_opensc"))).toEqual(certificate);
    const data = { label: "data", application: "app", secret: false, fid: 0xcf01 };
    expect(toHex(encodeDataDescription(data))).toBe(toHex(der("dcod_opensc")));
    expect(decodeDataDescription(der("dcod_opensc"))).toEqual(data);
  });

  test.each(recordedVersions)("of the data objects that OpenSC %s wrote", (version) => {
    const card = new RecordedCard(version, "14-data-objects", 0);
    const read = Array.from({ length: 256 }, (_, i) => card.file(0xc900 + i)).flatMap((bytes) =>
      bytes === undefined || bytes.length === 0 ? [] : decodeDataDescription(bytes),
    );
    expect(read.length).toBeGreaterThan(0);
    for (const { label, fid, secret } of read) {
      expect(label).not.toBe("");
      expect((fid ?? 0) >> 8).toBe(secret ? 0xcd : 0xcf);
    }
  });

  test("what is written is read again", () => {
    const label = fc.string({ maxLength: 20 });
    fc.assert(
      fc.property(label, label, fc.boolean(), fc.integer({ min: 0, max: 0xffff }), (a, b, yes, fid) => {
        const data = { label: a, application: b, secret: yes, fid };
        expect(decodeDataDescription(encodeDataDescription(data))).toEqual(data);
        const certificate = { label: a, id: Uint8Array.of(1, 2), authority: yes, fid };
        expect(decodeCertificateDescription(encodeCertificateDescription(certificate))).toEqual(certificate);
      }),
    );
  });
});

test("integers and bit strings are DER", () => {
  expect(toHex(encodeInteger(0))).toBe("020100");
  expect(toHex(encodeInteger(128))).toBe("02020080");
  expect(toHex(encodeBits([]))).toBe("030100");
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 2 ** 32 - 1 }),
      fc.uniqueArray(fc.integer({ min: 0, max: 63 })),
      (n, bits) => {
        expect(decodeInteger(encodeInteger(n).subarray(2))).toBe(n);
        expect(decodeBits(encodeBits(bits).subarray(2))).toEqual([...bits].sort((a, b) => a - b));
        // No zeros at the end, no sign.
        expect(equal(encodeInteger(n).subarray(2, 4), Uint8Array.of(0, 0))).toBe(false);
      },
    ),
  );
});
