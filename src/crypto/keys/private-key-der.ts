import { toHex } from "../../bytes/hex.ts";
import { findTlv, readTlv, readTlvs, type Tlv } from "../../bytes/tlv.ts";
import { HsmError } from "../../errors.ts";
import { type Curve, curveByName, curveByParameters, curveNames } from "../curves/curves.ts";
import { publicPointOf } from "../curves/ec-keys.ts";
import { stripped, withLength } from "../curves/integers.ts";
import type { PlainKey, PlainRsaKey } from "./plain-key.ts";

/** Private keys in the clear, as DER: PKCS#8 (RFC 5958), PKCS#1 (RFC 8017 appendix A.1.2), SEC 1 (RFC 5915). */
export type PrivateKeyForm = "pkcs8" | "pkcs8-encrypted" | "pkcs1" | "sec1" | "pkcs12";

const what = "private key";
const oids = {
  rsa: "2A864886F70D010101",
  rsaPss: "2A864886F70D01010A",
  ec: "2A8648CE3D0201",
  primeField: "2A8648CE3D0101",
} as const;
/** Of keys that no card of this family has. */
const foreignKinds = new Map([
  ["2B6570", "Ed25519"],
  ["2B6571", "Ed448"],
  ["2B656E", "X25519"],
  ["2B656F", "X448"],
  ["2A8648CE380401", "DSA"],
  ["2A864886F70D010301", "DH"],
]);

/** What a DER file is, by its first members; `null` when it is none of them. */
export function privateKeyForm(der: Uint8Array): PrivateKeyForm | null {
  try {
    const [first, second] = members(der);
    if (first?.tag === 0x30) return second?.tag === 0x04 ? "pkcs8-encrypted" : null;
    if (first?.tag !== 0x02 || second === undefined) return null;
    const version = first.value.length === 1 ? first.value[0] : undefined;
    if (second.tag === 0x30) return version === 3 ? "pkcs12" : "pkcs8";
    if (second.tag === 0x04) return "sec1";
    return second.tag === 0x02 ? "pkcs1" : null;
  } catch (error) {
    if (error instanceof HsmError) return null;
    throw error;
  }
}

/** @throws HsmError `KEY_FILE_INVALID` (check-failed), `KEY_KIND_UNSUITED`, `CURVE_UNKNOWN` (not-supported) */
export function readPrivateKeyDer(der: Uint8Array, form: "pkcs8" | "pkcs1" | "sec1"): PlainKey {
  try {
    if (form === "pkcs8") return readPkcs8(der);
    return form === "pkcs1" ? readPkcs1(der) : readSec1(der, undefined);
  } catch (error) {
    if (error instanceof HsmError && error.code === "TLV_INVALID") throw invalid("its DER does not hold together");
    throw error;
  }
}

function readPkcs8(der: Uint8Array): PlainKey {
  const [, algorithm, key] = members(der);
  if (algorithm?.tag !== 0x30 || key?.tag !== 0x04) throw invalid("not a PKCS#8 structure");
  const [oid, parameters] = readTlvs(algorithm.value, what);
  const kind = oid?.tag === 0x06 ? toHex(oid.value) : "";
  if (kind === oids.rsa || kind === oids.rsaPss) return readPkcs1(key.value);
  if (kind === oids.ec) return readSec1(key.value, parameters);
  const name = foreignKinds.get(kind);
  throw new HsmError(
    "KEY_KIND_UNSUITED",
    "not-supported",
    `a SmartCard-HSM holds RSA, EC and AES keys; this is ${name === undefined ? "another kind" : `an ${name} key`}`,
  );
}

function readPkcs1(der: Uint8Array): PlainRsaKey {
  const numbers = members(der);
  const version = numbers[0]?.value;
  if (numbers.some(({ tag }, i) => tag !== 0x02 && i < 9)) throw invalid("not an RSA private key");
  if (version?.length !== 1 || version[0] !== 0 || numbers.length !== 9) {
    throw invalid(numbers.length > 9 ? "RSA keys of more than two primes do not fit a card" : "not an RSA private key");
  }
  const [modulus, exponent, privateExponent, p, q, dP, dQ, qInv] = numbers.slice(1).map(({ value }) => {
    const digits = stripped(value).slice();
    if (digits.length === 0 || (value[0] as number) > 0x7f) throw invalid("one of its integers is not positive");
    return digits;
  }) as [Uint8Array, Uint8Array, Uint8Array, Uint8Array, Uint8Array, Uint8Array, Uint8Array, Uint8Array];
  return { kind: "rsa", modulus, exponent, privateExponent, factors: { p, q, dP, dQ, qInv } };
}

function readSec1(der: Uint8Array, outer: Tlv | undefined): PlainKey {
  const [, secret, ...optional] = members(der);
  if (secret?.tag !== 0x04) throw invalid("not an EC private key");
  const inner = findTlv(optional, 0xa0);
  const parameters = outer ?? (inner === undefined ? undefined : readTlv(inner.value, what));
  if (parameters === undefined) throw invalid("it does not say which curve it is on");
  const curve = curveOf(parameters);
  const scalar = withLength(secret.value, curve.orderBytes);
  if (scalar === null) throw invalid(`its private number is too long for ${curve.name}`);
  const given = findTlv(optional, 0xa1);
  const computed = computedPoint(curve, scalar);
  if (given === undefined) return { kind: "ec", curve: curve.name, scalar, point: computed };
  const bits = readTlv(given.value, what).value;
  // A compressed point is only compared by what it has; the uncompressed one is computed anyway.
  const compressed = bits[1] === 2 || bits[1] === 3;
  const point = compressed ? computed : bits.slice(1);
  return { kind: "ec", curve: curve.name, scalar, point };
}

function computedPoint(curve: Curve, scalar: Uint8Array): Uint8Array {
  try {
    return publicPointOf(curve, scalar);
  } catch (error) {
    if (error instanceof HsmError) throw invalid(`its private number is none of ${curve.name}`);
    throw error;
  }
}

/** Named, or spelled out (RFC 3279 section 2.3.5): then all parameters must be those of a curve we know. */
function curveOf(parameters: Tlv): Curve {
  if (parameters.tag === 0x06) {
    const oid = toHex(parameters.value);
    const name = curveNames.find((candidate) => curveByName(candidate)?.oidDer === oid);
    const curve = name === undefined ? undefined : curveByName(name);
    if (curve === undefined) throw unknownCurve();
    return curve;
  }
  if (parameters.tag !== 0x30) throw invalid("it does not say which curve it is on");
  const [, field, coefficients, base, order] = readTlvs(parameters.value, what);
  const [fieldType, prime] = field === undefined ? [] : readTlvs(field.value, what);
  const [a, b] = coefficients === undefined ? [] : readTlvs(coefficients.value, what);
  if (a === undefined || b === undefined || prime === undefined || base === undefined || order === undefined) {
    throw invalid("its curve parameters are incomplete");
  }
  if (fieldType === undefined || toHex(fieldType.value) !== oids.primeField) throw unknownCurve();
  const curve = curveByParameters({ p: prime.value, a: a.value, b: b.value, g: base.value, n: order.value });
  if (curve === undefined) throw unknownCurve();
  return curve;
}

function unknownCurve(): HsmError {
  return new HsmError("CURVE_UNKNOWN", "not-supported", "this EC key is on a curve that no SmartCard-HSM has", {
    advice: `it has ${curveNames.join(", ")}`,
  });
}

function members(der: Uint8Array): Tlv[] {
  const whole = readTlv(der, what);
  if (whole.tag !== 0x30 || whole.raw.length !== der.length) throw invalid("not one DER SEQUENCE");
  return readTlvs(whole.value, what);
}

/** What a PEM block holds, by its label. */
export const pemLabels: Readonly<Record<string, PrivateKeyForm>> = {
  "PRIVATE KEY": "pkcs8",
  "ENCRYPTED PRIVATE KEY": "pkcs8-encrypted",
  "RSA PRIVATE KEY": "pkcs1",
  "EC PRIVATE KEY": "sec1",
};

function invalid(problem: string): HsmError {
  return new HsmError("KEY_FILE_INVALID", "check-failed", `not a usable private key: ${problem}`);
}
