import { bigEndian, concat } from "../../bytes/bytes.ts";
import { ByteReader } from "../../bytes/reader.ts";
import { HsmError } from "../../errors.ts";
import { type Curve, curveByName, curveByParameters } from "../curves/curves.ts";
import { bitLength, stripped, withLength } from "../curves/integers.ts";
import type { KeyBlobType } from "./key-blob.ts";
import { type PlainKey, type PlainRsaKey, rsaFromFactors } from "./plain-key.ts";

/**
 * The inside of a wrapped key, after decryption: key size, then fields with a length of two bytes each (AES: the value
 * alone). Cards differ in how they write integers, so reading takes all forms. Reference 05 section 5.4.
 */
export interface FieldStyle {
  /** `fixed`: as long as modulus, factor or order (the vendor's tool); `minimal`: no leading zeros (pico-hsm). */
  readonly integers: "fixed" | "minimal";
  /** Leave `a` of a curve with a = p - 3 empty, as Mbed TLS and with it pico-hsm do. */
  readonly emptyA: boolean;
  /** Another block of padding where the text fills its last one already (the vendor's tool). */
  readonly padAligned: boolean;
  /** Type 06 with all factors: up to this modulus length in bits, and where the factors are known. */
  readonly crtUpTo: number;
}

/** As the vendor's DKEK.js writes them. */
export const defaultStyle: FieldStyle = { integers: "fixed", emptyA: false, padAligned: true, crtUpTo: 2048 };

const what = "wrapped key";
/** No field of RSA-4096 or of a 521-bit curve is longer. */
const maxFieldBytes = 520;

/** @throws HsmError `KEY_BLOB_INVALID` (check-failed), `CURVE_UNKNOWN` (not-supported) */
export function readFields(type: KeyBlobType, bytes: Uint8Array): PlainKey {
  try {
    const reader = new ByteReader(bytes, what);
    const size = reader.uint16();
    if (type === 0x0f) return readAes(reader, size);
    const field = (): Uint8Array => {
      const length = reader.uint16();
      if (length > maxFieldBytes) throw invalid(`a field of ${length} bytes is too long`);
      return reader.bytes(length);
    };
    if (type === 0x0c) return readEc(field);
    return type === 0x05 ? readRsa(field) : readRsaCrt(field);
  } catch (error) {
    if (error instanceof HsmError && error.code === "DATA_TRUNCATED") throw invalid("it is cut short inside");
    throw error;
  }
}

function readAes(reader: ByteReader, length: number): PlainKey {
  if (![16, 24, 32].includes(length)) throw invalid(`an AES key of ${length} bytes`);
  return { kind: "aes", value: reader.bytes(length).slice() };
}

function readEc(field: () => Uint8Array): PlainKey {
  const [a, b, p, n, g] = [field(), field(), field(), field(), field()] as const;
  const [d, point] = [field(), field()];
  const curve = curveByParameters({ p, a, b, n, g });
  if (curve === undefined) {
    throw new HsmError("CURVE_UNKNOWN", "not-supported", "the wrapped key is on a curve that hsmadm does not know");
  }
  const scalar = withLength(d, curve.orderBytes);
  if (scalar === null) throw invalid(`a private key of ${d.length} bytes on ${curve.name}`);
  if (point.length !== 1 + 2 * curve.fieldBytes || point[0] !== 4)
    throw invalid("its public point is not uncompressed");
  return { kind: "ec", curve: curve.name, scalar, point: point.slice() };
}

function readRsa(field: () => Uint8Array): PlainKey {
  const [d, n, e] = [field(), field(), field()] as const;
  return rsa(n, e, d, undefined);
}

function readRsaCrt(field: () => Uint8Array): PlainKey {
  const [dP, dQ, p, qInv, q, n, e] = [field(), field(), field(), field(), field(), field(), field()] as const;
  const whole = rsaFromFactors(p, q, e);
  const digits = (bytes: Uint8Array): Uint8Array => stripped(bytes).slice();
  // What the blob says is kept, right or wrong: `publicBelongsToPrivate` is the judge of it.
  const factors = { p: digits(p), q: digits(q), dP: digits(dP), dQ: digits(dQ), qInv: digits(qInv) };
  return rsa(n, e, whole.privateExponent, factors);
}

function rsa(n: Uint8Array, e: Uint8Array, d: Uint8Array, factors: PlainRsaKey["factors"]): PlainRsaKey {
  const [modulus, exponent, privateExponent] = [n, e, d].map((bytes) => stripped(bytes).slice()) as [
    Uint8Array,
    Uint8Array,
    Uint8Array,
  ];
  if (modulus.length === 0 || exponent.length === 0 || privateExponent.length === 0) {
    throw invalid("one of its integers is zero");
  }
  return { kind: "rsa", modulus, exponent, privateExponent, factors };
}

/** @throws HsmError `KEY_NOT_WRAPPABLE` (not-supported) */
export function writeFields(key: PlainKey, style: FieldStyle): { type: KeyBlobType; fields: Uint8Array } {
  if (key.kind === "aes") {
    if (![16, 24, 32].includes(key.value.length)) throw unwrappable(`an AES key of ${key.value.length} bytes`);
    return { type: 0x0f, fields: concat(bigEndian(key.value.length, 2), key.value) };
  }
  if (key.kind === "ec") {
    const curve = curveByName(key.curve);
    if (curve === undefined) throw unwrappable(`an EC key on ${key.curve}`);
    return { type: 0x0c, fields: ecFields(curve, key.scalar, key.point, style) };
  }
  const bits = bitLength(key.modulus);
  if (bits > 4096) throw unwrappable(`an RSA key of ${bits} bits`);
  const crt = key.factors !== undefined && bits <= style.crtUpTo;
  return { type: crt ? 0x06 : 0x05, fields: concat(bigEndian(bits, 2), rsaFields(key, crt, style)) };
}

function ecFields(curve: Curve, scalar: Uint8Array, point: Uint8Array, style: FieldStyle): Uint8Array {
  const minusThree = style.emptyA && curveByParameters({ ...curve, a: new Uint8Array(0) }) !== undefined;
  const d = integer(scalar, curve.orderBytes, style);
  const { a, b, p, n, g } = curve;
  const [first, ...others] = [minusThree ? new Uint8Array(0) : a, b, p, n].map((value) =>
    integer(value, value.length, style),
  );
  const fields = [first ?? a, ...others, g, d, point];
  return concat(bigEndian(bitLength(p), 2), ...fields.map(counted));
}

function rsaFields(key: PlainRsaKey, crt: boolean, style: FieldStyle): Uint8Array {
  const { modulus, exponent, privateExponent, factors } = key;
  const length = stripped(modulus).length;
  const n = stripped(modulus);
  const e = stripped(exponent);
  if (!crt || factors === undefined) return concat(...[integer(privateExponent, length, style), n, e].map(counted));
  const half = Math.ceil(length / 2);
  const { dP, dQ, p, qInv, q } = factors;
  return concat(...[...[dP, dQ, p, qInv, q].map((value) => integer(value, half, style)), n, e].map(counted));
}

function integer(value: Uint8Array, length: number, style: FieldStyle): Uint8Array {
  // Factors of unequal length stay as they are: longer than half the modulus is unusual and not wrong.
  return style.integers === "minimal" ? stripped(value) : (withLength(value, length) ?? stripped(value));
}

function counted(bytes: Uint8Array): Uint8Array {
  return concat(bigEndian(bytes.length, 2), bytes);
}

function unwrappable(subject: string): HsmError {
  return new HsmError("KEY_NOT_WRAPPABLE", "not-supported", `${subject} does not fit into a wrapped key`);
}

function invalid(problem: string): HsmError {
  return new HsmError("KEY_BLOB_INVALID", "check-failed", `not a wrapped key: ${problem}`);
}
