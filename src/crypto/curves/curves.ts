import { equal } from "../../bytes/bytes.ts";
import { fromHex, toHex } from "../../bytes/hex.ts";
import { type CurveRow, curveTable } from "./curve-table.ts";

/**
 * The short Weierstrass curves of a SmartCard-HSM, in the fixed-length encodings of its `7F49` template.
 * Source: OpenSC's table (reference 04 section 4.2); `test/vectors/curves.json` holds the same values.
 */
export interface Curve {
  readonly name: string;
  /** Dotted object identifier. */
  readonly oid: string;
  /** Its DER value as hex, without tag and length. */
  readonly oidDer: string;
  /** Length of a coordinate in bytes. */
  readonly fieldBytes: number;
  /** Length of a scalar, and of each half of a plain signature, in bytes. */
  readonly orderBytes: number;
  readonly p: Uint8Array;
  readonly a: Uint8Array;
  readonly b: Uint8Array;
  /** Base point, uncompressed. */
  readonly g: Uint8Array;
  readonly n: Uint8Array;
}

const decoded = new Map<string, Curve>();

function decode([name, oid, oidDer, p, a, b, g, n]: CurveRow): Curve {
  const known = decoded.get(name);
  if (known !== undefined) return known;
  const curve: Curve = {
    name,
    oid,
    oidDer,
    fieldBytes: p.length / 2,
    orderBytes: n.length / 2,
    p: fromHex(p),
    a: fromHex(a),
    b: fromHex(b),
    g: fromHex(g),
    n: fromHex(n),
  };
  decoded.set(name, curve);
  return curve;
}

export const curveNames: readonly string[] = curveTable.map(([name]) => name);

/** The curve of this name, or `undefined`. Names as in {@link curveNames}; `prime256v1` and `P-256` are not among them. */
export function curveByName(name: string): Curve | undefined {
  const row = curveTable.find((candidate) => candidate[0] === name);
  return row === undefined ? undefined : decode(row);
}

/** The domain parameters of a `7F49` template (tags 81 82 83 84 85). */
export interface DomainParameters {
  readonly p: Uint8Array;
  readonly a: Uint8Array;
  readonly b: Uint8Array;
  readonly g: Uint8Array;
  readonly n: Uint8Array;
}

/**
 * The first curve over this prime, or `undefined`. An r1 curve and its t1 twin share a prime: the r1 is meant here.
 * Where a key's parameters come from somebody else, {@link curveByParameters} is the safe question.
 */
export function curveByPrime(prime: Uint8Array): Curve | undefined {
  const p = digits(prime);
  const row = curveTable.find((candidate) => stripZeros(candidate[3]) === p);
  return row === undefined ? undefined : decode(row);
}

/**
 * The curve with exactly these parameters, or `undefined`.
 * All of them are compared: a forger chooses a base point under which somebody else's public key is his own
 * (CVE-2020-0601). An empty `a` stands for p - 3 or zero: Mbed TLS, and with it pico-hsm, leaves both out.
 */
export function curveByParameters(parameters: DomainParameters): Curve | undefined {
  const [p, a, b, n] = [parameters.p, parameters.a, parameters.b, parameters.n].map(digits);
  const noA = parameters.a.length === 0;
  const row = curveTable.find(
    (candidate) =>
      stripZeros(candidate[3]) === p &&
      (stripZeros(candidate[4]) === a || (noA && minusThree(candidate))) &&
      stripZeros(candidate[5]) === b &&
      stripZeros(candidate[7]) === n,
  );
  if (row === undefined) return undefined;
  const curve = decode(row);
  return equal(curve.g, parameters.g) ? curve : undefined;
}

function minusThree(row: CurveRow): boolean {
  return BigInt(`0x${row[4]}`) + 3n === BigInt(`0x${row[3]}`);
}

function digits(bytes: Uint8Array): string {
  return stripZeros(toHex(bytes));
}

function stripZeros(hex: string): string {
  return hex.replace(/^(?:00)+/, "");
}
