import { bech32 } from "@scure/base";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  formatPluginIdentity,
  formatPluginRecipient,
  type PluginRecipient,
  parsePluginIdentity,
  parsePluginRecipient,
  publicKeyTag,
} from "../../../src/crypto/age/plugin-keys.ts";
import { curveByName } from "../../../src/crypto/curves/curves.ts";
import { refusal } from "../refusal.ts";
import { bytes } from "./arbitraries.ts";

function spelled(prefix: string, ...data: number[]): string {
  return bech32.encode(prefix, bech32.toWords(Uint8Array.from(data)), false);
}

describe("identities of the plugin", () => {
  test("without data mean any device; that is what `age -j hsmadm` hands over", () => {
    expect(formatPluginIdentity({ kind: "any" })).toBe(spelled("age-plugin-hsmadm-").toUpperCase());
    expect(parsePluginIdentity(formatPluginIdentity({ kind: "any" }))).toEqual({ kind: "any" });
  });

  test("carry the tag of a key, and the serial as a hint", () => {
    fc.assert(
      fc.property(bytes(100, 32), fc.option(fc.stringMatching(/^[ -~]{1,30}$/), { nil: undefined }), (key, serial) => {
        const identity = { kind: "key", tag: publicKeyTag(key), ...(serial === undefined ? {} : { serial }) } as const;
        const text = formatPluginIdentity(identity);
        expect(text).toMatch(/^AGE-PLUGIN-HSMADM-1[02-9AC-HJ-NP-Z]+$/);
        expect(parsePluginIdentity(text)).toEqual(identity);
      }),
    );
  });

  test("their text stays what it is for ever", () => {
    const identity = { kind: "key", tag: Uint8Array.of(1, 2, 3, 4), serial: "DENK0102296" } as const;
    expect(formatPluginIdentity(identity)).toBe(
      spelled(
        "age-plugin-hsmadm-",
        1,
        1,
        1,
        2,
        3,
        4,
        ..."DENK0102296".split("").map((c) => c.charCodeAt(0)),
      ).toUpperCase(),
    );
    expect(publicKeyTag(new Uint8Array(0))).toEqual(Uint8Array.of(0xe3, 0xb0, 0xc4, 0x42)); // SHA-256 of nothing.
  });

  test("of another plugin, lower case, cut off or later are refused", () => {
    const good = spelled("age-plugin-hsmadm-", 1, 1, 1, 2, 3, 4);
    for (const text of [
      good,
      spelled("age-plugin-yubikey-", 1, 1).toUpperCase(),
      good.toUpperCase().slice(0, -1),
      "",
    ]) {
      expect(refusal(() => parsePluginIdentity(text)).code).toBe("AGE_KEY_INVALID");
    }
    const short = spelled("age-plugin-hsmadm-", 1, 1, 1, 2, 3).toUpperCase();
    const binary = spelled("age-plugin-hsmadm-", 1, 1, 1, 2, 3, 4, 0).toUpperCase();
    for (const text of [short, binary]) expect(refusal(() => parsePluginIdentity(text)).code).toBe("AGE_KEY_INVALID");
    for (const data of [[2, 1, 1, 2, 3, 4], [1, 2, 1, 2, 3, 4], [1]]) {
      const error = refusal(() => parsePluginIdentity(spelled("age-plugin-hsmadm-", ...data).toUpperCase()));
      expect([error.code, error.kind]).toEqual(["AGE_KEY_VERSION", "not-supported"]);
    }
  });
});

describe("recipients of the plugin", () => {
  const names = ["secp384r1", "secp521r1", "secp256k1", "brainpoolP256r1", "brainpoolP384r1", "brainpoolP512r1"];
  const recipients: PluginRecipient[] = [
    { kind: "x25519", publicKey: new Uint8Array(32).fill(9) },
    ...names.map((curve) => ({ kind: "ec" as const, curve, point: curveByName(curve)?.g ?? new Uint8Array(0) })),
  ];

  test.each(recipients)("$kind $curve: read back as written", (recipient) => {
    const text = formatPluginRecipient(recipient);
    expect(text).toMatch(/^age1hsmadm1[02-9ac-hj-np-z]+$/);
    expect(parsePluginRecipient(text)).toEqual(recipient);
  });

  test("each kind keeps its number", () => {
    const numbers = recipients.map((recipient) => {
      const { words } = bech32.decode(formatPluginRecipient(recipient) as `${string}1${string}`, false);
      return [...bech32.fromWords(words).subarray(0, 2)];
    });
    expect(numbers).toEqual([1, 0x11, 0x12, 0x13, 0x21, 0x22, 0x23].map((kind) => [1, kind]));
  });

  test("P-256 has none: it is age1tag1…", () => {
    const point = curveByName("secp256r1")?.g ?? new Uint8Array(0);
    const error = refusal(() => formatPluginRecipient({ kind: "ec", curve: "secp256r1", point }));
    expect([error.code, error.kind]).toEqual(["AGE_RECIPIENT_CURVE", "not-supported"]);
  });

  test("of another length, form or version are refused", () => {
    const of = (...data: number[]): string => spelled("age1hsmadm", ...data);
    const key = Array.from({ length: 96 }, () => 1);
    for (const text of [
      of(),
      of(1),
      of(1, 1),
      of(1, 1, ...key),
      of(1, 0x11, 4, ...key.slice(1)),
      of(1, 0x11, 2, ...key),
    ]) {
      expect(refusal(() => parsePluginRecipient(text)).code).toBe("AGE_KEY_INVALID");
    }
    for (const text of [of(2, 1, ...key), of(1, 0x7f, ...key)]) {
      expect(refusal(() => parsePluginRecipient(text)).code).toBe("AGE_KEY_VERSION");
    }
  });
});
