import {
  createCipheriv,
  createDecipheriv,
  createECDH,
  createHash,
  createHmac,
  hkdfSync,
  timingSafeEqual,
} from "node:crypto";
import { concat } from "../../bytes/bytes.ts";
import type { CborMap, RequestMap } from "./cbor.ts";
import { ctapStatus, refuseCtap } from "./ctap-status.ts";

/** PIN/UV auth protocols 1 and 2, the authenticator's side (reference section 6.1). */
export interface PinProtocol {
  readonly number: 1 | 2;
  /** Bytes that encryption puts in front of the ciphertext. */
  readonly ivLength: 0 | 16;
  /** @param peer the platform's point, `04 ‖ x ‖ y` */
  sharedSecret(own: KeyAgreement, peer: Uint8Array): Uint8Array;
  /** @param plain whole AES blocks */
  encrypt(secret: Uint8Array, plain: Uint8Array, random: (length: number) => Uint8Array): Uint8Array;
  /** `null` for what is not an IV and whole blocks. */
  decrypt(secret: Uint8Array, encrypted: Uint8Array): Uint8Array | null;
  /** @param key a shared secret or a pinUvAuthToken */
  authenticate(key: Uint8Array, message: Uint8Array): Uint8Array;
}

export interface KeyAgreement {
  readonly scalar: Uint8Array;
  /** `04 ‖ x ‖ y` */
  readonly point: Uint8Array;
}

const zeros = new Uint8Array(32);
const noIv = new Uint8Array(16);

const one: PinProtocol = {
  number: 1,
  ivLength: 0,
  sharedSecret: (own, peer) => new Uint8Array(createHash("sha256").update(agree(own, peer)).digest()),
  encrypt: (secret, plain) => cbc(createCipheriv("aes-256-cbc", secret, noIv), plain),
  decrypt: (secret, encrypted) =>
    whole(encrypted) ? cbc(createDecipheriv("aes-256-cbc", secret, noIv), encrypted) : null,
  authenticate: (key, message) => hmac(key, message).slice(0, 16),
};

const two: PinProtocol = {
  number: 2,
  ivLength: 16,
  sharedSecret(own, peer) {
    const z = agree(own, peer);
    const derive = (info: string) => new Uint8Array(hkdfSync("sha256", z, zeros, info, 32));
    return concat(derive("CTAP2 HMAC key"), derive("CTAP2 AES key"));
  },
  encrypt(secret, plain, random) {
    const iv = random(16);
    return concat(iv, cbc(createCipheriv("aes-256-cbc", secret.subarray(32), iv), plain));
  },
  decrypt(secret, encrypted) {
    const ciphertext = encrypted.subarray(16);
    if (!whole(ciphertext)) return null;
    return cbc(createDecipheriv("aes-256-cbc", secret.subarray(32), encrypted.subarray(0, 16)), ciphertext);
  },
  authenticate: (key, message) => hmac(key.subarray(0, 32), message),
};

/** @throws CtapRefusal 02 for a number that is neither 1 nor 2 */
export function pinProtocol(number: number): PinProtocol {
  if (number === 1) return one;
  return number === 2 ? two : refuseCtap(ctapStatus.invalidParameter);
}

/** Whether `given` authenticates the message. */
export function authenticates(protocol: PinProtocol, key: Uint8Array, message: Uint8Array, given: Uint8Array): boolean {
  const right = protocol.authenticate(key, message);
  return right.length === given.length && timingSafeEqual(right, given);
}

/** A key pair on P-256 of these 32 random bytes. */
export function keyAgreementOf(scalar: Uint8Array): KeyAgreement {
  const ecdh = createECDH("prime256v1");
  ecdh.setPrivateKey(scalar);
  return { scalar, point: new Uint8Array(ecdh.getPublicKey()) };
}

/** @param algorithm -25 says key agreement, -7 ES256 */
export function coseKey(point: Uint8Array, algorithm: -25 | -7): CborMap {
  return new Map<number, number | Uint8Array>([
    [1, 2],
    [3, algorithm],
    [-1, 1],
    [-2, point.slice(1, 33)],
    [-3, point.slice(33)],
  ]);
}

/** The point in a platform's COSE key. @throws CtapRefusal 02 when it is no key on P-256 */
export function pointOf(key: RequestMap): Uint8Array {
  const [x, y] = [key.bytes(-2), key.bytes(-3)];
  if (key.int(1) !== 2 || key.int(-1) !== 1 || x.length !== 32 || y.length !== 32)
    refuseCtap(ctapStatus.invalidParameter);
  return concat(Uint8Array.of(4), x, y);
}

/** x of the shared point. @throws CtapRefusal 02 when the peer's is not on the curve */
export function agree(own: KeyAgreement, peer: Uint8Array): Uint8Array {
  const ecdh = createECDH("prime256v1");
  ecdh.setPrivateKey(own.scalar);
  try {
    return new Uint8Array(ecdh.computeSecret(peer));
  } catch {
    return refuseCtap(ctapStatus.invalidParameter); // Not on the curve.
  }
}

function whole(ciphertext: Uint8Array): boolean {
  return ciphertext.length > 0 && ciphertext.length % 16 === 0;
}

function cbc(cipher: ReturnType<typeof createCipheriv | typeof createDecipheriv>, input: Uint8Array): Uint8Array {
  cipher.setAutoPadding(false);
  return concat(cipher.update(input), cipher.final());
}

function hmac(key: Uint8Array, message: Uint8Array): Uint8Array {
  return new Uint8Array(createHmac("sha256", key).update(message).digest());
}
