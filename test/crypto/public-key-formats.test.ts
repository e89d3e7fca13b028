import { execFileSync } from "node:child_process";
import { createPublicKey, generateKeyPairSync } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { curveByName, curveNames } from "../../src/crypto/curves/curves.ts";
import { privateScalar, publicPointOf } from "../../src/crypto/curves/ec-keys.ts";
import {
  type PublicKey,
  publicKeyDer,
  publicKeyJwk,
  publicKeyPem,
  publicKeySsh,
} from "../../src/crypto/keys/public-key-formats.ts";
import { describeWith } from "../support/needs.ts";
import { refusal } from "./refusal.ts";

// RFC 7517 appendix A.1 (EC and RSA), as JWK and as numbers.
const rfc7517Ec = {
  crv: "P-256",
  kty: "EC",
  x: "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
  y: "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM",
} as const;
const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, "base64url"));

test("RFC 7517 appendix A.1: its EC key", () => {
  const point = new Uint8Array([4, ...bytes(rfc7517Ec.x), ...bytes(rfc7517Ec.y)]);
  expect(publicKeyJwk({ kind: "ec", curve: "secp256r1", point })).toEqual(rfc7517Ec);
});

describe.each(curveNames)("%s", (curve) => {
  const key = ecKey(curve);
  test("DER and PEM are what OpenSSL writes, where it knows the curve", () => {
    let known: ReturnType<typeof createPublicKey>;
    try {
      known = createPublicKey(publicKeyPem(key));
    } catch (error) {
      expect(String(error)).toMatch(/unknown|unsupported|group/i);
      return;
    }
    expect(known.export({ format: "der", type: "spki" })).toEqual(Buffer.from(publicKeyDer(key)));
    expect(known.export({ format: "pem", type: "spki" })).toBe(publicKeyPem(key));
  });

  test("JWK and OpenSSH: the key, or a refusal that says why", () => {
    if (["secp256r1", "secp384r1", "secp521r1", "secp256k1"].includes(curve)) {
      const own = createPublicKey(publicKeyPem(key)).export({ format: "jwk" });
      expect(publicKeyJwk(key)).toEqual(own);
    } else {
      expect(refusal(() => publicKeyJwk(key))).toMatchObject({ code: "KEY_FORMAT_UNSUITED", kind: "not-supported" });
    }
    if (/secp(256|384|521)r1/.test(curve)) expect(publicKeySsh(key)).toMatch(/^ecdsa-sha2-nistp\d{3} \S+$/);
    else expect(refusal(() => publicKeySsh(key)).message).toBe(`OpenSSH has no name for the curve ${curve}`);
  });
});

test.each([1024, 2048, 4096])("RSA-%d in all formats", (modulusLength) => {
  const key = rsaKey(modulusLength);
  const known = createPublicKey(publicKeyPem(key));
  expect(known.export({ format: "pem", type: "spki" })).toBe(publicKeyPem(key));
  expect(publicKeyJwk(key)).toEqual(known.export({ format: "jwk" }));
  // With leading zeros, as a certificate or a card may have them.
  const padded = { ...key, modulus: new Uint8Array([0, 0, ...key.modulus]), exponent: new Uint8Array([0, 1, 0, 1]) };
  expect([publicKeyPem(padded), publicKeySsh(padded)]).toEqual([publicKeyPem(key), publicKeySsh(key)]);
});

describeWith(["ssh-keygen"], "against ssh-keygen", () => {
  test.each([ecKey("secp256r1"), ecKey("secp384r1"), ecKey("secp521r1"), rsaKey(2048)])("the same line", (key) => {
    const folder = mkdtempSync(join(tmpdir(), "hsmadm-ssh-"));
    try {
      const file = join(folder, "key.pem");
      writeFileSync(file, publicKeyPem(key));
      const line = execFileSync("ssh-keygen", ["-i", "-m", "PKCS8", "-f", file], { encoding: "utf8" });
      expect(publicKeySsh(key)).toBe(line.trim());
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

describe("refused and tamed", () => {
  test("a compressed or foreign point, an unknown curve", () => {
    const key = ecKey("secp256r1");
    if (key.kind !== "ec") throw new Error("no EC key");
    expect(refusal(() => publicKeyDer({ ...key, point: key.point.subarray(0, 33) })).code).toBe("KEY_INVALID");
    expect(refusal(() => publicKeyDer({ ...key, curve: "secp384r1" })).code).toBe("KEY_INVALID");
    expect(refusal(() => publicKeyDer({ ...key, curve: "P-256" })).code).toBe("CURVE_UNKNOWN");
  });

  test("a label with a line break stays one line of authorized_keys", () => {
    expect(publicKeySsh(ecKey("secp256r1"), "a\nssh-rsa AAAA\u0000 evil")).toMatch(/ a ssh-rsa AAAA {2}evil$/);
  });
});

function ecKey(name: string): PublicKey {
  const curve = curveByName(name);
  if (curve === undefined) throw new Error(name);
  const scalar = privateScalar(curve, (length) => new Uint8Array(length).fill(0x77));
  return { kind: "ec", curve: name, point: publicPointOf(curve, scalar) };
}

function rsaKey(modulusLength: number): PublicKey & { readonly kind: "rsa" } {
  const { n, e } = generateKeyPairSync("rsa", { modulusLength }).publicKey.export({ format: "jwk" });
  return { kind: "rsa", modulus: bytes(n as string), exponent: bytes(e as string) };
}
