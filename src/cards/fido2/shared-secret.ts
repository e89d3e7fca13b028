import { createECDH, randomBytes } from "node:crypto";
import { concat } from "../../bytes/bytes.ts";
import type { AuthProtocol } from "./auth-protocol.ts";
import { type CborMap, invalidAnswer } from "./cbor.ts";
import { CborFields } from "./cbor-fields.ts";

/** What the platform side makes up; a test injects what a recording used. */
export interface PlatformRandomness {
  /** A P-256 private key for one key agreement: 32 bytes, overwritten after use. */
  ephemeralKey(): Uint8Array;
  /** An IV for one encryption of protocol 2: 16 bytes. */
  iv(): Uint8Array;
  /** What requests carry where WebAuthn has the hash of its client data, which nobody checks: 32 bytes. */
  readonly clientDataHash: Uint8Array;
}

export const platformRandomness: PlatformRandomness = {
  ephemeralKey() {
    const ecdh = createECDH("prime256v1");
    ecdh.generateKeys();
    return new Uint8Array(ecdh.getPrivateKey());
  },
  iv: () => new Uint8Array(randomBytes(16)),
  // As systemd has it.
  clientDataHash: new Uint8Array(32),
};

/** COSE labels of an EC2 key (RFC 9053). -25 is a label that CTAP wants, not the algorithm that is used. */
const cose = { kty: 1, alg: 3, crv: -1, x: -2, y: -3, ec2: 2, ecdhEsHkdf256: -25, p256: 1 } as const;
const coordinateLength = 32;

/** The outcome of one key agreement with the authenticator: everything encrypted or proved under it. */
export interface SharedSecret {
  readonly protocol: AuthProtocol;
  /** The platform's public key, for the request. */
  readonly keyAgreement: CborMap;
  encrypt(plain: Uint8Array): Uint8Array;
  /** @param what named in errors */
  decrypt(encrypted: Uint8Array, what: string): Uint8Array;
  authenticate(message: Uint8Array): Uint8Array;
  /** Overwrites the secret; it is of no use after. */
  wipe(): void;
}

/**
 * @param peer the authenticator's COSE key, as getKeyAgreement gave it
 * @throws HsmError `CTAP_ANSWER_INVALID` when it is no point of P-256
 */
export function agreeOn(protocol: AuthProtocol, peer: CborMap, random: PlatformRandomness): SharedSecret {
  const ecdh = createECDH("prime256v1");
  const scalar = random.ephemeralKey();
  ecdh.setPrivateKey(scalar);
  scalar.fill(0);
  const own = ecdh.getPublicKey();
  let secret: Uint8Array;
  let z: Uint8Array | undefined;
  try {
    z = ecdh.computeSecret(pointOf(peer));
    secret = protocol.sharedSecret(z);
  } catch (error) {
    throw invalidAnswer("the key agreement key of the token", "it is no point of P-256", error);
  } finally {
    z?.fill(0);
  }
  return {
    protocol,
    keyAgreement: new Map<number, number | Uint8Array>([
      [cose.kty, cose.ec2],
      [cose.alg, cose.ecdhEsHkdf256],
      [cose.crv, cose.p256],
      [cose.x, new Uint8Array(own.subarray(1, 1 + coordinateLength))],
      [cose.y, new Uint8Array(own.subarray(1 + coordinateLength))],
    ]),
    encrypt: (plain) => protocol.encrypt(secret, plain, () => random.iv()),
    decrypt: (encrypted, what) => protocol.decrypt(secret, encrypted, what),
    authenticate: (message) => protocol.authenticate(secret, message),
    wipe: () => secret.fill(0),
  };
}

/** The uncompressed point of a COSE key on P-256. */
function pointOf(key: CborMap): Uint8Array {
  const what = "the key agreement key of the token";
  const fields = new CborFields(key, what);
  if (fields.unsigned(cose.kty) !== cose.ec2 || fields.optionalInteger(cose.crv) !== cose.p256) {
    throw invalidAnswer(what, "it is no key of P-256");
  }
  return concat(Uint8Array.of(4), fields.bytes(cose.x, coordinateLength), fields.bytes(cose.y, coordinateLength));
}
