import { equal } from "../../../bytes/bytes.ts";
import { fromHex, toHex } from "../../../bytes/hex.ts";
import { readTlv, readTlvs, requireTlv, type Tlv } from "../../../bytes/tlv.ts";
import { type Curve, curveByName, curveByParameters, curveNames } from "../../../crypto/curves/curves.ts";
import { bitLength, stripped, toInteger } from "../../../crypto/curves/integers.ts";
import { type Cvc, parseCvc } from "../../../crypto/cvc/cvc.ts";
import type { PublicKey } from "../../../crypto/keys/public-key-formats.ts";
import { HsmError } from "../../../errors.ts";

/** The public half of a key on the token. */
export type TokenPublicKey = PublicKey;

export type CertificateKind = "request" | "x509" | "cvc";

/** What EF CExx holds beside the key. */
export interface KeyCertificate {
  readonly kind: CertificateKind;
  /** The whole object, without what an older, longer file left behind it. */
  readonly raw: Uint8Array;
  readonly publicKey: TokenPublicKey;
}

const what = "certificate of the key";

/**
 * Reads EF CExx: the request that key generation left there (67), an X.509 certificate (30), or a card verifiable
 * certificate (7F21). Signatures are not checked here.
 * @throws HsmError `TLV_INVALID`, `CVC_INVALID` or `KEY_CERTIFICATE_INVALID` (check-failed)
 */
export function parseKeyCertificate(bytes: Uint8Array): KeyCertificate {
  const object = readTlv(bytes, what);
  const { raw, value } = object;
  switch (object.tag) {
    case 0x67:
      // The inner certificate alone: Pico HSM leaves the outer CAR empty at times, which says nothing of the key.
      return { kind: "request", raw, publicKey: keyOfCvc(parseCvc(readTlv(value, what).raw)) };
    case 0x7f21:
      return { kind: "cvc", raw, publicKey: keyOfCvc(parseCvc(raw)) };
    case 0x30:
      return { kind: "x509", raw, publicKey: keyOfX509(object) };
    default:
      throw invalid("it is neither a request nor a certificate");
  }
}

function keyOfCvc({ publicKey }: Cvc): TokenPublicKey {
  if (publicKey.kind === "rsa") return rsaKey(publicKey.modulus, publicKey.exponent);
  const curve = publicKey.curve === undefined ? undefined : curveByName(publicKey.curve);
  if (curve === undefined) throw invalid("its curve is not told or not known");
  return ecKey(curve, publicKey.point);
}

/** RFC 5280 section 4.1: the key is the field behind version (optional), serial, algorithm, issuer, validity, subject. */
function keyOfX509(certificate: Tlv): TokenPublicKey {
  const [toBeSigned] = readTlvs(certificate.value, what);
  if (toBeSigned?.tag !== 0x30) throw invalid("it is no X.509 certificate");
  const fields = readTlvs(toBeSigned.value, what);
  const key = fields[fields[0]?.tag === 0xa0 ? 6 : 5];
  if (key?.tag !== 0x30) throw invalid("it has no public key");
  return keyOfSpki(key);
}

/**
 * Reads a SubjectPublicKeyInfo (RFC 5280), or the one in an X.509 certificate: what files with public keys hold.
 * @throws HsmError `TLV_INVALID` or `KEY_CERTIFICATE_INVALID` (check-failed)
 */
export function parsePublicKeyInfo(bytes: Uint8Array): TokenPublicKey {
  const object = readTlv(bytes, what);
  if (object.tag !== 0x30) throw invalid("it is no public key");
  const [, second] = readTlvs(object.value, what);
  return second?.tag === 0x03 ? keyOfSpki(object) : keyOfX509(object);
}

const rsaOid = "2A864886F70D010101";
const ecOid = "2A8648CE3D0201";

function keyOfSpki(spki: Tlv): TokenPublicKey {
  const [algorithm, bits] = readTlvs(spki.value, what);
  if (algorithm?.tag !== 0x30 || bits?.tag !== 0x03 || bits.value[0] !== 0)
    throw invalid("its public key is malformed");
  const [oid, parameters] = readTlvs(algorithm.value, what);
  const content = bits.value.subarray(1);
  const name = oid === undefined ? "" : toHex(oid.value);
  if (name === rsaOid) {
    const [modulus, exponent] = readTlvs(readTlv(content, what).value, what);
    if (modulus?.tag !== 0x02 || exponent?.tag !== 0x02) throw invalid("its RSA key is malformed");
    return rsaKey(modulus.value, exponent.value);
  }
  if (name !== ecOid || parameters === undefined) throw invalid("its key is neither RSA nor EC");
  return ecKey(curveOf(parameters), content);
}

/** Named, or all parameters written out (X9.62), which are then compared with those of the named curves. */
function curveOf(parameters: Tlv): Curve {
  const curve = parameters.tag === 0x06 ? curveByOid(parameters.value) : explicitCurve(parameters);
  if (curve === undefined) throw invalid("its curve is not known");
  return curve;
}

function curveByOid(oid: Uint8Array): Curve | undefined {
  for (const name of curveNames) {
    const curve = curveByName(name);
    if (curve !== undefined && equal(fromHex(curve.oidDer), oid)) return curve;
  }
  return undefined;
}

function explicitCurve(parameters: Tlv): Curve | undefined {
  if (parameters.tag !== 0x30) return undefined;
  const [, field, curve, base, order] = readTlvs(parameters.value, what);
  if (field === undefined || curve === undefined || base === undefined || order === undefined) return undefined;
  const p = requireTlv(readTlvs(field.value, what), 0x02, what);
  const [a, b] = readTlvs(curve.value, what);
  if (a === undefined || b === undefined) return undefined;
  return curveByParameters({ p, a: a.value, b: b.value, g: base.value, n: order.value });
}

function rsaKey(modulus: Uint8Array, exponent: Uint8Array): TokenPublicKey {
  const key = { kind: "rsa", modulus: stripped(modulus), exponent: stripped(exponent) } as const;
  if (key.modulus.length === 0 || key.exponent.length === 0) throw invalid("its RSA key is empty");
  return key;
}

function ecKey(curve: Curve, point: Uint8Array): TokenPublicKey {
  if (!isOnCurve(curve, point)) throw invalid(`its point is none of ${curve.name}`);
  return { kind: "ec", curve: curve.name, point };
}

/** Whether an uncompressed point is one of the curve. */
export function isOnCurve(curve: Curve, point: Uint8Array): boolean {
  if (point.length !== 1 + 2 * curve.fieldBytes || point[0] !== 0x04) return false;
  const [p, a, b] = [curve.p, curve.a, curve.b].map(toInteger) as [bigint, bigint, bigint];
  const x = toInteger(point.subarray(1, 1 + curve.fieldBytes));
  const y = toInteger(point.subarray(1 + curve.fieldBytes));
  return x < p && y < p && (y * y - (x * x * x + a * x + b)) % p === 0n;
}

/** Size as people name it: bits of the modulus or of the field. */
export function bitsOfKey(key: TokenPublicKey): number {
  return bitLength(key.kind === "rsa" ? key.modulus : (curveByName(key.curve)?.p ?? new Uint8Array(0)));
}

function invalid(problem: string): HsmError {
  return new HsmError("KEY_CERTIFICATE_INVALID", "check-failed", `${what}: ${problem}`);
}
