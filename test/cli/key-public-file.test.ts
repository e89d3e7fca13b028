import { generateKeyPairSync } from "node:crypto";
import fc from "fast-check";
import { expect, test } from "vitest";
import { utf8Bytes } from "../../src/bytes/bytes.ts";
import { readPublicKey } from "../../src/cli/keys/key-public-file.ts";
import { publicKeyDer, publicKeyJwk, publicKeyPem } from "../../src/crypto/keys/public-key-formats.ts";
import { HsmError } from "../../src/errors.ts";

test("PEM, DER and JWK of one key are the same key", () => {
  for (const { publicKey } of [
    generateKeyPairSync("ec", { namedCurve: "prime256v1" }),
    generateKeyPairSync("rsa", { modulusLength: 1024 }),
  ]) {
    const key = readPublicKey(new Uint8Array(publicKey.export({ format: "der", type: "spki" })), "file");
    expect(readPublicKey(publicKeyDer(key), "file")).toEqual(key);
    expect(readPublicKey(utf8Bytes(publicKeyPem(key)), "file")).toEqual(key);
    expect(readPublicKey(utf8Bytes(JSON.stringify(publicKeyJwk(key))), "file")).toEqual(key);
  }
});

test("any other bytes are refused with a clear error", () => {
  const refused = (bytes: Uint8Array): boolean => {
    try {
      readPublicKey(bytes, "file");
      return false;
    } catch (error) {
      return error instanceof HsmError && error.code === "PUBLIC_KEY_INVALID";
    }
  };
  const pem = (body: string) => utf8Bytes(`-----BEGIN PUBLIC KEY-----${body}-----END PUBLIC KEY-----`);
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), refused));
  fc.assert(fc.property(fc.json(), (text) => refused(utf8Bytes(text))));
  fc.assert(fc.property(fc.string(), (body) => refused(pem(body))));
  const ed = generateKeyPairSync("ed25519").publicKey.export({ format: "pem", type: "spki" });
  expect(refused(utf8Bytes(String(ed)))).toBe(true);
});
