import { createPublicKey, generateKeyPairSync, X509Certificate } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { fromHex, toHex } from "../../../src/bytes/hex.ts";
import { encodeTlv } from "../../../src/bytes/tlv.ts";
import { bitsOfKey, isOnCurve, parseKeyCertificate } from "../../../src/cards/smartcard-hsm/keys/public-key.ts";
import { curveByName, curveNames } from "../../../src/crypto/curves/curves.ts";
import { publicKeyDer } from "../../../src/crypto/keys/public-key-formats.ts";
import { HsmError } from "../../../src/errors.ts";
import { hexAt, vectors } from "../../crypto/vectors.ts";
import { RecordedCard, recordedFile } from "../support/recorded-card.ts";

const genuine = hexAt(vectors("cvc"), "ef_ce01");
const rsaRequest = hexAt(vectors("sim_pki"), "rsa2048_request");

describe("what stands in EF CExx", () => {
  test("the request of a genuine Nitrokey HSM 2", () => {
    const { kind, publicKey } = parseKeyCertificate(genuine);
    expect(kind).toBe("request");
    expect(publicKey).toMatchObject({ kind: "ec", curve: "secp256k1" });
    expect(bitsOfKey(publicKey)).toBe(256);
    expect(
      createPublicKey({ key: Buffer.from(publicKeyDer(publicKey)), format: "der", type: "spki" }).asymmetricKeyType,
    ).toBe("ec");
  });

  test("an RSA request", () => {
    const { publicKey } = parseKeyCertificate(rsaRequest);
    expect(publicKey.kind).toBe("rsa");
    expect(bitsOfKey(publicKey)).toBe(2048);
    const key = createPublicKey({ key: Buffer.from(publicKeyDer(publicKey)), format: "der", type: "spki" });
    expect(key.asymmetricKeyDetails).toMatchObject({ modulusLength: 2048, publicExponent: 65537n });
  });

  test.each(["0.23.0", "0.27.1"] as const)(
    "the X.509 certificate that OpenSC %s wrote beside a key",
    async (version) => {
      const certificate = recordedFile(version, "13-certificate", "c.der");
      const { kind, publicKey } = parseKeyCertificate(certificate);
      expect(kind).toBe("x509");
      const expected = new X509Certificate(certificate).publicKey.export({ format: "der", type: "spki" });
      expect(toHex(publicKeyDer(publicKey))).toBe(toHex(expected));
    },
  );

  test.each(["0.23.0", "0.27.1"] as const)("public keys as OpenSC %s exported them", (version) => {
    for (const [session, file, fid] of [
      ["08-sign-rsa", "rsa.der", 0xce01],
      ["09-sign-ec", "ec.der", 0xce02],
    ] as const) {
      const request = new RecordedCard(version, session, 0).file(fid) ?? new Uint8Array(0);
      expect(toHex(publicKeyDer(parseKeyCertificate(request).publicKey))).toBe(
        toHex(recordedFile(version, session, file)),
      );
    }
  });

  test("SPKI of all kinds is OpenSSL's own, through a certificate around it", () => {
    const pairs = [
      generateKeyPairSync("rsa", { modulusLength: 1024 }),
      generateKeyPairSync("rsa", { modulusLength: 1027 }),
      generateKeyPairSync("ec", { namedCurve: "secp384r1" }),
      generateKeyPairSync("ec", { namedCurve: "secp521r1" }),
      generateKeyPairSync("ec", { namedCurve: "brainpoolP512r1" }),
      generateKeyPairSync("ec", { namedCurve: "prime256v1", paramEncoding: "explicit" }),
    ];
    for (const { publicKey } of pairs) {
      const spki = new Uint8Array(publicKey.export({ format: "der", type: "spki" }));
      const fields = [0x02, 0x30, 0x30, 0x30, 0x30].map((tag) => encodeTlv(tag, Uint8Array.of(1)));
      for (const version of [[], [fromHex("A003020102")]]) {
        const parsed = parseKeyCertificate(encodeTlv(0x30, encodeTlv(0x30, ...version, ...fields, spki)));
        const again = createPublicKey({
          key: Buffer.from(publicKeyDer(parsed.publicKey)),
          format: "der",
          type: "spki",
        });
        expect(again.equals(publicKey)).toBe(true);
        expect([1024, 1027, 384, 521, 512, 256]).toContain(bitsOfKey(parsed.publicKey));
      }
    }
  });

  test("the tail of a longer file before it is not part of it", () => {
    expect(toHex(parseKeyCertificate(fromHex(`${toHex(genuine)}3082DEAD`)).raw)).toBe(toHex(genuine));
  });

  test("another point, a cut file, any flipped bit, random bytes: read or an error of ours", () => {
    const tame = (bytes: Uint8Array): void => {
      try {
        const { publicKey } = parseKeyCertificate(bytes);
        if (publicKey.kind === "ec") {
          const curve = curveByName(publicKey.curve);
          expect(curve !== undefined && isOnCurve(curve, publicKey.point)).toBe(true);
        }
      } catch (error) {
        expect(error).toBeInstanceOf(HsmError);
      }
    };
    for (let length = 0; length < genuine.length; length++) {
      expect(() => parseKeyCertificate(genuine.subarray(0, length))).toThrow(HsmError);
    }
    for (let at = 0; at < genuine.length; at++) {
      const flipped = genuine.slice();
      flipped[at] = (flipped[at] ?? 0) ^ (1 << (at % 8));
      tame(flipped);
    }
    fc.assert(fc.property(fc.uint8Array({ maxLength: 80 }), tame));
    fc.assert(fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => tame(encodeTlv(0x30, encodeTlv(0x30, bytes)))));
  });
});

test("every base point is on its own curve and on no other", () => {
  for (const name of curveNames) {
    const curve = curveByName(name);
    for (const other of curveNames) {
      const point = curveByName(other)?.g ?? new Uint8Array(0);
      expect(curve !== undefined && isOnCurve(curve, point), `${other} on ${name}`).toBe(name === other);
    }
  }
});

test("a coordinate that is not below the prime is refused, although it is the same modulo the prime", () => {
  const curve = curveByName("secp521r1");
  if (curve === undefined) throw new Error("no curve");
  const number = (bytes: Uint8Array): bigint => BigInt(`0x${toHex(bytes)}`);
  const x = number(curve.g.subarray(1, 67)) + number(curve.p);
  const point = fromHex(`04${x.toString(16).padStart(132, "0")}${toHex(curve.g.subarray(67))}`);
  expect(isOnCurve(curve, curve.g)).toBe(true);
  expect(isOnCurve(curve, point)).toBe(false);
});
