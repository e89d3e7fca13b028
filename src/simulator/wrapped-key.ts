import { equal } from "../bytes/bytes.ts";
import { curveByParameters } from "../crypto/curves.ts";
import { publicPointOf } from "../crypto/ec-keys.ts";
import { requireCurve } from "./ec-signing.ts";
import { type BlobContent, blobType } from "./key-blob.ts";
import type { CardProfile } from "./profile.ts";
import { rsaKeyOf, rsaPublicKey, rsaSizes } from "./rsa.ts";
import { keyFromExponents, keyFromPrimes, numbersOf } from "./rsa-numbers.ts";
import type { KeyRules, StoredKey } from "./token-state.ts";

/** Above this, CRT keys go out as exponent and modulus (reference 05 section 5.4, "type 6 vs 5"). */
const mostCrtBits = 2048;

/** A key as the fields of a blob, in the spelling of the card. */
export function contentOf(profile: CardProfile, key: StoredKey): BlobContent {
  const { algorithms } = key.rules;
  const compact = profile.compactBlobs;
  switch (key.kind) {
    case "aes":
      return { type: blobType.aes, algorithms, size: key.value.length, fields: [key.value] };
    case "ec": {
      const curve = requireCurve(key.curve);
      const { a, b, p, n, g } = curve;
      const point = publicPointOf(curve, key.scalar);
      const number = compact ? shortest : (value: Uint8Array) => value;
      // Mbed TLS, and with it a pico, leaves out an `a` of p - 3.
      const first = compact && isMinusThree(a, p) ? new Uint8Array(0) : number(a);
      const fields = [first, number(b), number(p), number(n), g, number(key.scalar), point];
      return { type: blobType.ec, algorithms, size: 8 * curve.fieldBytes, fields };
    }
    case "rsa": {
      const rsa = rsaKeyOf(key.pkcs8);
      const size = rsaPublicKey(rsa).bits;
      const { n, e, d, p, q, dp, dq, qi } = numbersOf(rsa);
      if (compact || size > mostCrtBits) {
        const exponent = compact ? d : padded(d, n.length);
        return { type: blobType.rsa, algorithms, size, fields: [exponent, n, e] };
      }
      const half = n.length / 2;
      const numbers = [dp, dq, p, q, qi].map((number) => padded(number, half));
      return { type: blobType.rsaCrt, algorithms, size, fields: [...numbers, n, e] };
    }
  }
}

/**
 * The key in a blob, checked: its numbers belong together.
 * @returns `null` for a type byte that nobody knows
 * @throws RangeError when there is no such key, or the card cannot hold it
 */
export function keyIn(content: BlobContent, domain: number): StoredKey | null {
  const rules: KeyRules = { usesLeft: undefined, algorithms: content.algorithms, domain };
  const field = (index: number): Uint8Array => content.fields[index] ?? new Uint8Array(0);
  switch (content.type) {
    case blobType.rsa:
      return rsaKey(keyFromExponents(field(1), field(2), field(0)), rules);
    case blobType.rsaCrt:
      return rsaKey(keyFromPrimes(field(2), field(3), field(6), field(5)), rules);
    case blobType.ec:
      return ecKey(content.fields, rules);
    case blobType.aes: {
      const value = field(0);
      if (value.length !== 16 && value.length !== 24 && value.length !== 32) throw new RangeError("no AES key");
      return { kind: "aes", value, rules };
    }
    default:
      return null;
  }
}

function rsaKey(key: ReturnType<typeof rsaKeyOf>, rules: KeyRules): StoredKey {
  if (!rsaSizes.includes(rsaPublicKey(key).bits)) throw new RangeError("an RSA key of another size");
  return { kind: "rsa", pkcs8: new Uint8Array(key.export({ format: "der", type: "pkcs8" })), rules };
}

function ecKey(fields: readonly Uint8Array[], rules: KeyRules): StoredKey {
  const [a, b, p, n, g, d, point] = fields;
  if (!a || !b || !p || !n || !g || !d || !point) throw new RangeError("fields are missing");
  const curve = curveByParameters({ p, a, b, g, n });
  if (curve === undefined) throw new RangeError("another curve");
  const scalar = padded(shortest(d), curve.orderBytes);
  if (!equal(publicPointOf(curve, scalar), point)) throw new RangeError("the point is another key's");
  return { kind: "ec", curve: curve.name, scalar, rules };
}

function isMinusThree(a: Uint8Array, p: Uint8Array): boolean {
  return equal(a.subarray(0, -1), p.subarray(0, -1)) && (a.at(-1) ?? 0) + 3 === p.at(-1);
}

function shortest(number: Uint8Array): Uint8Array {
  const first = number.findIndex((byte) => byte !== 0);
  return first < 0 ? number.subarray(-1) : number.subarray(first);
}

/** @throws RangeError when it is longer already */
function padded(number: Uint8Array, length: number): Uint8Array {
  const digits = shortest(number);
  const bytes = new Uint8Array(length);
  bytes.set(digits, length - digits.length);
  return bytes;
}
