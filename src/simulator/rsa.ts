import {
  constants,
  createHash,
  createPrivateKey,
  createPublicKey,
  type KeyObject,
  privateDecrypt,
  privateEncrypt,
} from "node:crypto";
import { bigEndian, concat } from "../bytes/bytes.ts";
import { fromHex } from "../bytes/hex.ts";
import { encodeTlv } from "../bytes/tlv.ts";

export type HashName = "sha1" | "sha224" | "sha256" | "sha384" | "sha512";

const pemHead = "-----BEGIN PRIVATE KEY-----\n";
const pemTail = "\n-----END PRIVATE KEY-----\n";

/** Sizes that a card makes and takes, in bits. */
export const rsaSizes: readonly number[] = [1024, 1536, 2048, 3072, 4096];

/** A stored key for use. @throws Error when the PKCS#8 is none */
export function rsaKeyOf(pkcs8: Uint8Array): KeyObject {
  return createPrivateKey(pemHead + btoa(String.fromCharCode(...pkcs8)) + pemTail);
}

export interface RsaPublicKey {
  readonly bits: number;
  readonly modulus: Uint8Array;
  readonly exponent: Uint8Array;
}

export function rsaPublicKey(key: KeyObject): RsaPublicKey {
  const { n, e } = createPublicKey(key).export({ format: "jwk" });
  const modulus = fromBase64Url(n ?? "");
  return { bits: modulus.length * 8, modulus, exponent: fromBase64Url(e ?? "") };
}

/** `m^d mod n` of a block as long as the modulus. @throws Error when the block is not below the modulus */
export function rsaRaw(key: KeyObject, block: Uint8Array): Uint8Array {
  return new Uint8Array(privateDecrypt({ key, padding: constants.RSA_NO_PADDING }, block));
}

/**
 * EME-PKCS1-v1_5 decoding (RFC 8017 section 7.2.2). Not in constant time: a simulated token hides nothing.
 * @throws Error when the padding is none
 */
export function withoutPkcs1Padding(block: Uint8Array): Uint8Array {
  const end = block.indexOf(0, 1);
  if (block[0] !== 0 || block[1] !== 2 || end < 10) throw new RangeError("no PKCS#1 v1.5 padding");
  return block.slice(end + 1);
}

/** PKCS#1 v1.5 signature over a DigestInfo. @throws Error when it is too long */
export function rsaPkcs1(key: KeyObject, digestInfo: Uint8Array): Uint8Array {
  return new Uint8Array(privateEncrypt({ key, padding: constants.RSA_PKCS1_PADDING }, digestInfo));
}

export function hashOf(name: HashName, message: Uint8Array): Uint8Array {
  return new Uint8Array(createHash(name).update(message).digest());
}

// AlgorithmIdentifiers of RFC 8017 section 9.2, note 1.
const hashOids = new Map<HashName, string>([
  ["sha1", "06052B0E03021A0500"],
  ["sha224", "06096086480165030402040500"],
  ["sha256", "06096086480165030402010500"],
  ["sha384", "06096086480165030402020500"],
  ["sha512", "06096086480165030402030500"],
]);

const hashLengths = new Map<number, HashName>([
  [20, "sha1"],
  [28, "sha224"],
  [32, "sha256"],
  [48, "sha384"],
  [64, "sha512"],
]);

/** The hash whose digests have this length. */
export function hashOfLength(length: number): HashName | undefined {
  return hashLengths.get(length);
}

export function digestInfo(name: HashName, digest: Uint8Array): Uint8Array {
  return encodeTlv(0x30, encodeTlv(0x30, fromHex(hashOids.get(name) ?? "")), encodeTlv(0x04, digest));
}

/**
 * EMSA-PSS (RFC 8017 section 9.1.1) of a given digest; the salt's length decides its own. `node:crypto` hashes the
 * message itself, a card is given the hash.
 * @returns the block to be raised to d, as long as the modulus
 */
export function pssBlock(name: HashName, digest: Uint8Array, salt: Uint8Array, modulusBits: number): Uint8Array {
  const bits = modulusBits - 1;
  const length = Math.ceil(bits / 8);
  const zeros = length - salt.length - digest.length - 2;
  if (zeros < 0) throw new RangeError("modulus too short for PSS with this hash");
  const hash = hashOf(name, concat(new Uint8Array(8), digest, salt));
  const block = concat(new Uint8Array(zeros), Uint8Array.of(1), salt);
  const mask = maskOf(name, hash, block.length);
  const masked = block.map((byte, i) => byte ^ (mask[i] as number));
  masked[0] = (masked[0] as number) & (0xff >> (8 * length - bits));
  return concat(masked, hash, Uint8Array.of(0xbc));
}

/** MGF1 (RFC 8017 appendix B.2.1). */
function maskOf(name: HashName, seed: Uint8Array, length: number): Uint8Array {
  const blocks: Uint8Array[] = [];
  for (let counter = 0, made = 0; made < length; counter++) {
    const block = hashOf(name, concat(seed, bigEndian(counter, 4)));
    blocks.push(block);
    made += block.length;
  }
  return concat(...blocks).subarray(0, length);
}

/** Bytes of a number in a JWK. */
export function fromBase64Url(text: string): Uint8Array {
  return Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (letter) => letter.charCodeAt(0));
}
