import { createHash, createPublicKey, verify } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { fromHex, toHex } from "../../src/bytes/hex.ts";
import { type Curve, curveByName, curveNames } from "../../src/crypto/curves/curves.ts";
import { privateScalar, publicPointOf } from "../../src/crypto/curves/ec-keys.ts";
import { derToPlain, ecdsaSign, ecdsaVerify, plainToDer, subjectPublicKeyInfo } from "../../src/crypto/curves/ecdsa.ts";
import { nobleVerify } from "../../src/crypto/curves/ecdsa-noble.ts";
import { hexAt, vectors } from "./vectors.ts";

const message = new TextEncoder().encode("hsmadm");
const hashes = ["sha1", "sha224", "sha256", "sha384", "sha512"] as const;

describe.each(curveNames)("%s", (name) => {
  const curve = named(name);
  const scalar = privateScalar(curve, (length) => new Uint8Array(length).fill(0x21));
  const point = publicPointOf(curve, scalar);

  test.each(hashes)("signs and verifies %s in either implementation", (hash) => {
    const openssl = ecdsaSign(curve, scalar, message, hash);
    const noble = ecdsaSign(curve, scalar, message, hash, { repeatable: true });
    for (const signature of [openssl, noble]) {
      expect(signature.length).toBe(2 * curve.orderBytes);
      expect(ecdsaVerify(curve, point, message, hash, signature)).toBe(true);
      expect(nobleVerify(curve, point, message, hash, signature)).toBe(true);
      const forged = signature.slice();
      forged[curve.orderBytes + 3] = (forged[curve.orderBytes + 3] as number) ^ 1;
      expect(ecdsaVerify(curve, point, message, hash, forged)).toBe(false);
      expect(nobleVerify(curve, point, message, hash, forged)).toBe(false);
    }
  });

  test("signs a digest as it is, as the card's algorithm 70 does", () => {
    const digest = new Uint8Array(createHash("sha256").update(message).digest());
    const signature = ecdsaSign(curve, scalar, digest, "none");
    expect(ecdsaVerify(curve, point, digest, "none", signature)).toBe(true);
    expect(ecdsaVerify(curve, point, message, "sha256", signature)).toBe(true);
  });
});

test("RFC 6979 appendix A.2.5: P-256 with SHA-256, message sample", () => {
  const scalar = fromHex("C9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721");
  const signature = ecdsaSign(named("secp256r1"), scalar, new TextEncoder().encode("sample"), "sha256", {
    repeatable: true,
  });
  expect(toHex(signature)).toBe(
    "EFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716" +
      "F7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8",
  );
});

test("the signature of the real scheme root verifies in both implementations", () => {
  const cvc = vectors("cvc");
  const [point, tbs, sig] = ["point", "tbs", "sig"].map((field) => hexAt(cvc, "root_DESRCACC100001", field));
  for (const check of [ecdsaVerify, nobleVerify]) {
    expect(check(named("brainpoolP256r1"), point as Uint8Array, tbs as Uint8Array, "sha256", sig as Uint8Array)).toBe(
      true,
    );
  }
});

test("nonsense is no signature and no exception", () => {
  const curve = named("brainpoolP256r1");
  const point = publicPointOf(curve, new Uint8Array(32).fill(1));
  const bytes = fc.uint8Array({ maxLength: 80 });
  fc.assert(
    fc.property(bytes, bytes, (anyPoint, anySignature) => {
      expect(ecdsaVerify(curve, point, message, "sha256", anySignature)).toBe(false);
      expect(ecdsaVerify(curve, anyPoint, message, "sha256", new Uint8Array(64).fill(1))).toBe(false);
    }),
    { numRuns: 50 },
  );
  const offCurve = point.slice();
  offCurve[64] = (offCurve[64] as number) ^ 1;
  expect(ecdsaVerify(curve, offCurve, message, "sha256", new Uint8Array(64).fill(1))).toBe(false);
  expect(ecdsaVerify(curve, point, message, "sha256", new Uint8Array(64))).toBe(false);
});

test("plain to DER and back keeps every signature", () => {
  fc.assert(
    fc.property(fc.constantFrom(24, 32, 66), fc.infiniteStream(fc.integer({ min: 0, max: 255 })), (half, stream) => {
      const plain = Uint8Array.from(stream.take(2 * half));
      expect(derToPlain(plainToDer(plain), half)).toEqual(plain);
    }),
  );
  const zeros = new Uint8Array(64);
  expect(toHex(plainToDer(zeros))).toBe("3006020100020100");
  expect(derToPlain(plainToDer(zeros), 32)).toEqual(zeros);
});

test("OpenSSL verifies our DER", () => {
  const curve = named("secp256r1");
  const scalar = new Uint8Array(32).fill(9);
  const key = createPublicKey({
    key: Buffer.from(subjectPublicKeyInfo(curve, publicPointOf(curve, scalar))),
    format: "der",
    type: "spki",
  });
  expect(verify("sha256", message, key, plainToDer(ecdsaSign(curve, scalar, message, "sha256")))).toBe(true);
});

test.each([
  ["", "not one SEQUENCE"],
  ["3003020101", "not two INTEGERs"],
  ["30060201010201010500", "not one SEQUENCE"],
  ["3006020101020181", "not two positive INTEGERs"],
  ["3005020101 0200", "not two positive INTEGERs"],
  ["30 26 0221 01 0000000000000000000000000000000000000000000000000000000000000000 020101", "the order has 32"],
])("DER %s is refused: %s", (der, reason) => {
  expect(() => derToPlain(fromHex(der), 32)).toThrow(reason);
});

test("plain halves must be equal", () => {
  expect(() => plainToDer(new Uint8Array(63))).toThrow("two halves");
  expect(() => plainToDer(new Uint8Array(0))).toThrow("two halves");
});

function named(name: string): Curve {
  const curve = curveByName(name);
  if (curve === undefined) throw new Error(`no curve ${name}`);
  return curve;
}
