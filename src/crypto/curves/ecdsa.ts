import { createPrivateKey, createPublicKey, type KeyObject, sign, verify } from "node:crypto";
import { concat } from "../../bytes/bytes.ts";
import { fromHex } from "../../bytes/hex.ts";
import { encodeTlv, readTlvs } from "../../bytes/tlv.ts";
import { HsmError } from "../../errors.ts";
import type { Curve } from "./curves.ts";
import { nobleSign, nobleVerify } from "./ecdsa-noble.ts";

/**
 * ECDSA with plain signatures (`r ‖ s`, each as long as the order), as CVCs carry them (BSI TR-03111 section 5.2.1).
 * OpenSSL does the work where it knows the curve; `@noble/curves` where it does not (Fedora's and others leave
 * brainpool out), where the digest is given, and where a signature must be repeatable.
 */

/** `"none"`: the message is the digest already; its leftmost bits are taken when it is longer than the order. */
export type EcdsaHash = "sha1" | "sha224" | "sha256" | "sha384" | "sha512" | "none";

/** Whether `plain` is a signature under the uncompressed `point`. Nonsense of any kind is `false`, never an exception. */
export function ecdsaVerify(
  curve: Curve,
  point: Uint8Array,
  message: Uint8Array,
  hash: EcdsaHash,
  plain: Uint8Array,
): boolean {
  if (plain.length !== 2 * curve.orderBytes) return false;
  if (point.length !== 1 + 2 * curve.fieldBytes || point[0] !== 4) return false;
  if (hash === "none") return nobleVerify(curve, point, message, hash, plain);
  let key: KeyObject;
  try {
    key = createPublicKey(pem("PUBLIC KEY", subjectPublicKeyInfo(curve, point)));
  } catch {
    // An unknown curve and a point off the curve look alike here; noble tells them apart by its own check.
    return nobleVerify(curve, point, message, hash, plain);
  }
  try {
    return verify(hash, message, { key, dsaEncoding: "ieee-p1363" }, plain);
  } catch {
    return false;
  }
}

/**
 * Signs.
 * @param scalar the private key, as long as the order; not zero and below it
 * @param options `repeatable`: the nonce comes from key and message (RFC 6979), so that equal inputs give equal bytes
 * @returns `r ‖ s`
 */
export function ecdsaSign(
  curve: Curve,
  scalar: Uint8Array,
  message: Uint8Array,
  hash: EcdsaHash,
  options: { readonly repeatable?: boolean } = {},
): Uint8Array {
  if (hash === "none" || options.repeatable === true) return nobleSign(curve, scalar, message, hash);
  let key: KeyObject;
  try {
    key = createPrivateKey(pem("PRIVATE KEY", privateKeyInfo(curve, scalar)));
  } catch {
    return nobleSign(curve, scalar, message, hash);
  }
  return new Uint8Array(sign(hash, message, { key, dsaEncoding: "ieee-p1363" }));
}

const ecPublicKeyOid = fromHex("06072A8648CE3D0201");

function algorithm(curve: Curve): Uint8Array {
  return encodeTlv(0x30, ecPublicKeyOid, encodeTlv(0x06, fromHex(curve.oidDer)));
}

/** SubjectPublicKeyInfo with a named curve (RFC 5480 section 2). */
export function subjectPublicKeyInfo(curve: Curve, point: Uint8Array): Uint8Array {
  return encodeTlv(0x30, algorithm(curve), encodeTlv(0x03, Uint8Array.of(0), point));
}

/** PKCS#8 around an ECPrivateKey without its public half (RFC 5958, RFC 5915). */
export function privateKeyInfo(curve: Curve, scalar: Uint8Array): Uint8Array {
  const key = encodeTlv(0x30, encodeTlv(0x02, Uint8Array.of(1)), encodeTlv(0x04, scalar));
  return encodeTlv(0x30, encodeTlv(0x02, Uint8Array.of(0)), algorithm(curve), encodeTlv(0x04, key));
}

// node:crypto takes DER in a Buffer only, PEM as text.
function pem(label: string, der: Uint8Array): string {
  return `-----BEGIN ${label}-----\n${btoa(String.fromCharCode(...der))}\n-----END ${label}-----\n`;
}

/** `r ‖ s` as DER (`SEQUENCE { INTEGER r, INTEGER s }`), which X.509, JOSE libraries and OpenSSL speak. */
export function plainToDer(plain: Uint8Array): Uint8Array {
  if (plain.length === 0 || plain.length % 2 !== 0) throw invalid(`${plain.length} bytes do not make two halves`);
  const half = plain.length / 2;
  return encodeTlv(0x30, integer(plain.subarray(0, half)), integer(plain.subarray(half)));
}

/**
 * The inverse of {@link plainToDer}.
 * @throws HsmError `SIGNATURE_INVALID` when it is not DER or a half is longer than `orderBytes`
 */
export function derToPlain(der: Uint8Array, orderBytes: number): Uint8Array {
  const [sequence, ...behind] = readTlvs(der, "ECDSA signature");
  if (sequence?.tag !== 0x30 || behind.length > 0) throw invalid("not one SEQUENCE");
  const halves = readTlvs(sequence.value, "ECDSA signature");
  if (halves.length !== 2) throw invalid("not two INTEGERs");
  return concat(
    ...halves.map(({ tag, value }) => {
      if (tag !== 0x02 || value.length === 0 || (value[0] as number) > 0x7f) throw invalid("not two positive INTEGERs");
      const digits = value.subarray(firstDigit(value));
      if (digits.length > orderBytes)
        throw invalid(`an INTEGER has ${digits.length} bytes, the order has ${orderBytes}`);
      const half = new Uint8Array(orderBytes);
      half.set(digits, orderBytes - digits.length);
      return half;
    }),
  );
}

function firstDigit(bytes: Uint8Array): number {
  const index = bytes.findIndex((byte) => byte !== 0);
  return index < 0 ? bytes.length : index;
}

function integer(bytes: Uint8Array): Uint8Array {
  const digits = bytes.subarray(Math.min(firstDigit(bytes), bytes.length - 1));
  return (digits[0] as number) > 0x7f ? encodeTlv(0x02, Uint8Array.of(0), digits) : encodeTlv(0x02, digits);
}

function invalid(problem: string): HsmError {
  return new HsmError("SIGNATURE_INVALID", "check-failed", `ECDSA signature: ${problem}`);
}
