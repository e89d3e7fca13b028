import { createECDH, createHash, createPrivateKey, type KeyObject } from "node:crypto";
import { base64urlnopad } from "@scure/base";
import { toHex } from "../../bytes/hex.ts";
import { HsmError } from "../../errors.ts";

/** A host key is a P-256 scalar whose 32 bytes are the key of ChaCha20-Poly1305 as well. */
export const hostKeyLength = 32;

/** Random; the caller overwrites it. */
export function newHostKey(): Uint8Array {
  const ecdh = createECDH("prime256v1");
  ecdh.generateKeys();
  const scalar = ecdh.getPrivateKey();
  // Node leaves leading zeros away.
  const key = new Uint8Array(hostKeyLength);
  key.set(scalar, hostKeyLength - scalar.length);
  scalar.fill(0);
  return key;
}

/** @throws HsmError `HOST_KEY_INVALID` (check-failed) unless it is a scalar of P-256 */
export function hostPublicPoint(hostKey: Uint8Array): Uint8Array {
  if (hostKey.length !== hostKeyLength) throw invalidHostKey(`it has ${hostKey.length} bytes, not ${hostKeyLength}`);
  try {
    const ecdh = createECDH("prime256v1");
    ecdh.setPrivateKey(hostKey);
    return new Uint8Array(ecdh.getPublicKey());
  } catch (cause) {
    throw invalidHostKey("it is no private key of P-256", cause);
  }
}

/** Names a host key without telling it: the first 16 hex digits of the SHA-256 of its public point. */
export function hostKeyId(hostKey: Uint8Array): string {
  return toHex(
    new Uint8Array(createHash("sha256").update(hostPublicPoint(hostKey)).digest().subarray(0, 8)),
  ).toLowerCase();
}

/** For signatures. @throws HsmError `HOST_KEY_INVALID` */
export function hostSigningKey(hostKey: Uint8Array): KeyObject {
  const point = hostPublicPoint(hostKey);
  const text = (bytes: Uint8Array) => base64urlnopad.encode(bytes);
  return createPrivateKey({
    format: "jwk",
    key: { kty: "EC", crv: "P-256", d: text(hostKey), x: text(point.subarray(1, 33)), y: text(point.subarray(33)) },
  });
}

/** What the older tool keeps in the keyring: PKCS#8 in PEM. @throws HsmError `HOST_KEY_INVALID` */
export function hostKeyFromPem(pem: string): Uint8Array {
  let jwk: ReturnType<KeyObject["export"]>;
  try {
    jwk = createPrivateKey(pem).export({ format: "jwk" });
  } catch (cause) {
    throw invalidHostKey("it is no private key in PEM", cause);
  }
  const { crv, d } = jwk as { crv?: string; d?: string };
  if (crv !== "P-256" || d === undefined) throw invalidHostKey("it is no private key of P-256");
  return base64urlnopad.decode(d);
}

export function invalidHostKey(problem: string, cause?: unknown): HsmError {
  return new HsmError("HOST_KEY_INVALID", "check-failed", `the host key makes no sense: ${problem}`, { cause });
}
