import { constants, generateKeyPairSync, sign } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { utf8Bytes } from "../../src/bytes/bytes.ts";
import { parsePublicKeyInfo } from "../../src/cards/smartcard-hsm/keys/public-key.ts";
import { curveByName, curveNames } from "../../src/crypto/curves/curves.ts";
import { privateScalar, publicPointOf } from "../../src/crypto/curves/ec-keys.ts";
import { ecdsaSign, plainToDer } from "../../src/crypto/curves/ecdsa.ts";
import { publicKeyDer } from "../../src/crypto/keys/public-key-formats.ts";
import { checkSignature, chooseScheme } from "../../src/services/keys/keys-signature.ts";
import { parseKeyType, patienceWords } from "../../src/services/keys/keys-type.ts";
import { repeatableWorld } from "../../src/simulator/repeatable-world.ts";

const message = utf8Bytes("message");

describe("checkSignature", () => {
  test.each(curveNames)("ECDSA on %s: holds for the message, for no other", (name) => {
    const curve = curveByName(name);
    if (curve === undefined) throw new Error(name);
    const scalar = privateScalar(curve, (length) => repeatableWorld(name).random(length));
    const key = { kind: "ec", curve: name, point: publicPointOf(curve, scalar) } as const;
    expect(parsePublicKeyInfo(publicKeyDer(key))).toEqual(key);
    const signature = plainToDer(ecdsaSign(curve, scalar, message, "sha256"));
    const holds = (pieces: Uint8Array[], bytes: Uint8Array) => {
      const check = checkSignature(key, "ecdsa", "sha256");
      for (const piece of pieces) check.update(piece);
      return check.holds(bytes);
    };
    expect(holds([message.subarray(0, 3), message.subarray(3)], signature)).toBe(true);
    expect(holds([utf8Bytes("messagf")], signature)).toBe(false);
    expect(holds([message], signature.subarray(1))).toBe(false);
  });

  test("RSA: both schemes, neither taken for the other; no flipped bit passes", () => {
    const { privateKey, publicKey } = generateKeyPairSync("rsa", { modulusLength: 1024 });
    const key = parsePublicKeyInfo(new Uint8Array(publicKey.export({ format: "der", type: "spki" })));
    const padding = { pkcs1: constants.RSA_PKCS1_PADDING, pss: constants.RSA_PKCS1_PSS_PADDING };
    const holds = (scheme: "pkcs1" | "pss", bytes: Uint8Array) => {
      const check = checkSignature(key, scheme, "sha256");
      check.update(message);
      return check.holds(bytes);
    };
    for (const scheme of ["pkcs1", "pss"] as const) {
      const signature = new Uint8Array(sign("sha256", message, { key: privateKey, padding: padding[scheme] }));
      expect(holds(scheme, signature)).toBe(true);
      expect(holds(scheme === "pss" ? "pkcs1" : "pss", signature)).toBe(false);
      fc.assert(
        fc.property(fc.nat(signature.length * 8 - 1), (bit) => {
          const broken = signature.slice();
          broken[bit >> 3] = (broken[bit >> 3] ?? 0) ^ (1 << (bit & 7));
          return !holds(scheme, broken);
        }),
        { numRuns: 50 },
      );
    }
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => !holds("pkcs1", bytes)));
  });
});

test("chooseScheme: RSA signs PKCS#1 and EC ECDSA unless asked; what does not fit is refused", () => {
  const key = (kind: "rsa" | "ec" | "aes" | "unknown") => ({ kind, ref: 1, label: "x" });
  expect(chooseScheme(key("rsa"), undefined)).toBe("pkcs1");
  expect(chooseScheme(key("rsa"), "pss")).toBe("pss");
  expect(chooseScheme(key("ec"), undefined)).toBe("ecdsa");
  expect(chooseScheme(key("unknown"), "pss")).toBe("pss");
  for (const [kind, scheme] of [
    ["rsa", "ecdsa"],
    ["ec", "pss"],
    ["aes", undefined],
    ["unknown", undefined],
  ] as const) {
    expect(() => chooseScheme(key(kind), scheme)).toThrow(expect.objectContaining({ kind: "usage" }));
  }
});

describe("parseKeyType", () => {
  test("the names of every curve, in any case, with or without hyphen", () => {
    for (const curve of curveNames) {
      expect(parseKeyType(`ec:${curve.toUpperCase()}`)).toEqual({ kind: "ec", curve });
    }
    expect(parseKeyType("ec:P-256")).toEqual({ kind: "ec", curve: "secp256r1" });
    expect(parseKeyType("ec:prime256v1")).toEqual({ kind: "ec", curve: "secp256r1" });
    expect(parseKeyType("rsa:4096")).toEqual({ kind: "rsa", bits: 4096 });
    expect(parseKeyType("aes:192")).toEqual({ kind: "aes", bits: 192 });
    expect(patienceWords(parseKeyType("rsa:4096"))).toContain("minutes");
  });

  test("anything else is a usage error that does not repeat it", () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        try {
          parseKeyType(text);
          return /^(rsa|ec|aes):/.test(text);
        } catch (error) {
          return (error as { code?: string }).code === "KEY_TYPE_INVALID";
        }
      }),
    );
  });
});
