import { expect, test } from "vitest";
import { fromHex, toHex } from "../../src/bytes/hex.ts";
import {
  type Curve,
  curveByName,
  curveByParameters,
  curveByPrime,
  curveNames,
} from "../../src/crypto/curves/curves.ts";
import { privateScalar, publicPointOf } from "../../src/crypto/curves/ec-keys.ts";
import { noblePublicPoint } from "../../src/crypto/curves/ecdsa-noble.ts";
import { vectors } from "./vectors.ts";

interface CurveVector {
  name: string;
  oid: string;
  oid_der: string;
  field_bytes: number;
  p: string;
  a: string;
  b: string;
  G: string;
  n: string;
  n_bytes: number;
}
const known = vectors("curves")["curves"] as CurveVector[];

test("there are the vectors' 18 curves and no others", () => {
  expect(curveNames).toEqual(known.map(({ name }) => name));
});

test.each(known)("$name has the vectors' parameters", (vector) => {
  const curve = named(vector.name);
  expect({
    oid: curve.oid,
    oid_der: curve.oidDer,
    field_bytes: curve.fieldBytes,
    n_bytes: curve.orderBytes,
    ...Object.fromEntries(["p", "a", "b", "n"].map((key) => [key, toHex(curve[key as "p"])])),
    G: toHex(curve.g),
  }).toEqual({ ...vector, name: undefined, h: undefined });
});

test.each(known)("$name is found by its parameters, and not with another base point", ({ name }) => {
  const curve = named(name);
  expect(curveByParameters(curve)?.name).toBe(name);
  const g = curve.g.slice();
  g[5] = (g[5] as number) ^ 1;
  expect(curveByParameters({ ...curve, g })).toBeUndefined();
  expect(curveByParameters({ ...curve, b: Uint8Array.of(7, 1) })).toBeUndefined();
  expect(curveByPrime(curve.p)?.p).toEqual(curve.p);
});

test("an empty a stands for p - 3 or zero, and for nothing else", () => {
  const none = new Uint8Array(0);
  expect(curveByParameters({ ...named("secp256r1"), a: none })?.name).toBe("secp256r1");
  expect(curveByParameters({ ...named("secp256k1"), a: none })?.name).toBe("secp256k1");
  expect(curveByParameters({ ...named("brainpoolP256r1"), a: none })).toBeUndefined();
});

test("secp256k1 with one-byte a and b, as pico-hsm writes it, is secp256k1", () => {
  expect(curveByParameters({ ...named("secp256k1"), a: Uint8Array.of(0), b: Uint8Array.of(7) })?.name).toBe(
    "secp256k1",
  );
});

test("unknown names and primes are undefined", () => {
  expect(curveByName("secp224r1")).toBeUndefined();
  expect(curveByPrime(fromHex("0D"))).toBeUndefined();
  expect(curveByPrime(new Uint8Array(0))).toBeUndefined();
});

test.each(curveNames)("%s: OpenSSL and noble make the same public point", (name) => {
  const curve = named(name);
  const scalar = privateScalar(curve, (length) => new Uint8Array(length).fill(0x5a));
  expect(toHex(publicPointOf(curve, scalar))).toBe(toHex(noblePublicPoint(curve, scalar)));
});

test("a scalar out of range is refused", () => {
  const curve = named("secp256r1");
  expect(() => publicPointOf(curve, new Uint8Array(32))).toThrow("not a private key of secp256r1");
  expect(() => publicPointOf(curve, curve.n)).toThrow("not a private key");
  expect(() => publicPointOf(curve, new Uint8Array(31).fill(1))).toThrow("not a private key");
});

test("private scalars stay below the order whatever the randomness", () => {
  for (const byte of [0x00, 0xff]) {
    const scalar = privateScalar(named("secp521r1"), (length) => new Uint8Array(length).fill(byte));
    expect(() => publicPointOf(named("secp521r1"), scalar)).not.toThrow();
  }
});

function named(name: string): Curve {
  const curve = curveByName(name);
  if (curve === undefined) throw new Error(`no curve ${name}`);
  return curve;
}
