import { calculateJwkThumbprint } from "jose";
import { describe, expect, test } from "vitest";
import { algorithmIds } from "../../../src/cards/smartcard-hsm/keys/algorithms.ts";
import { curveByName, curveNames } from "../../../src/crypto/curves/curves.ts";
import type { PublicKey } from "../../../src/crypto/keys/public-key-formats.ts";
import { algorithmOf, jwkThumbprint, registeredJwk } from "../../../src/services/jwt/jwk.ts";
import vectors from "../../vectors/jose.json" with { type: "json" };

const key = (algorithms: readonly (keyof typeof algorithmIds)[] | null = null) => ({
  ref: 1,
  label: "k",
  metadata: { usesLeft: null, domain: null, algorithms: algorithms?.map((name) => algorithmIds[name]) ?? null },
});
const rsa = (bytes: number): PublicKey => ({
  kind: "rsa",
  modulus: new Uint8Array(bytes).fill(0xff),
  exponent: Uint8Array.of(1, 0, 1),
});
const onCurve = (curve: string): PublicKey => ({
  kind: "ec",
  curve,
  point: curveByName(curve)?.g ?? new Uint8Array(0),
});

test("the thumbprint of RFC 7638 section 3.1", async () => {
  const { n, e } = vectors.rfc7638.jwk;
  expect(jwkThumbprint({ e, kty: "RSA", n })).toBe(vectors.rfc7638.thumbprint);
});

describe("the algorithm follows from the key", () => {
  test.each([
    ["secp256r1", "ES256"],
    ["secp384r1", "ES384"],
    ["secp521r1", "ES512"],
  ])("%s: %s, with the thumbprint that jose calculates", async (curve, alg) => {
    const { kid, ...jwk } = registeredJwk(key(), onCurve(curve));
    expect(jwk).toMatchObject({ alg, use: "sig", kty: "EC" });
    expect(kid).toBe(await calculateJwkThumbprint({ ...jwk }));
    expect(kid).toHaveLength(43);
  });

  test("RSA: RS256, PS256 where the token permits PSS only", () => {
    expect(algorithmOf(key(), rsa(256))).toBe("RS256");
    expect(algorithmOf({ ...key(), metadata: null }, rsa(256))).toBe("RS256");
    expect(algorithmOf(key(["rsa-pss", "rsa-pkcs1"]), rsa(256))).toBe("RS256");
    expect(algorithmOf(key(["rsa-pss-sha256"]), rsa(256))).toBe("PS256");
    expect(algorithmOf(key(["rsa-pss"]), rsa(384))).toBe("PS256");
  });

  test("no other curve has one, each with its reason", () => {
    const others = curveNames.filter((name) => !["secp256r1", "secp384r1", "secp521r1"].includes(name));
    expect(others.length).toBeGreaterThan(10);
    for (const curve of others) {
      const reason = curve.startsWith("brainpool")
        ? /no algorithm for brainpool/
        : curve === "secp256k1"
          ? /ES256K/
          : /JOSE has no/;
      const refused = expect.objectContaining({ code: "JWT_KEY_UNSUITED", kind: "not-supported" });
      expect(() => algorithmOf(key(), onCurve(curve))).toThrow(refused);
      expect(() => algorithmOf(key(), onCurve(curve))).toThrow(reason);
    }
  });

  test("a short RSA key is refused", () => {
    expect(() => algorithmOf(key(), rsa(128))).toThrow(/1024 bits.*2048/);
  });
});
