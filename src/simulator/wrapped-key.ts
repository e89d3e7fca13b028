import { equal } from "../bytes/bytes.ts";
import { publicPointOf } from "../crypto/curves/ec-keys.ts";
import type { FieldStyle } from "../crypto/keys/key-blob-fields.ts";
import type { PlainKey, PlainRsaKey } from "../crypto/keys/plain-key.ts";
import { requireCurve } from "./ec-signing.ts";
import type { CardProfile } from "./profile.ts";
import { rsaKeyOf, rsaPublicKey, rsaSizes } from "./rsa.ts";
import { keyFromExponents, keyFromPrimes, numbersOf } from "./rsa-numbers.ts";
import type { KeyRules, StoredKey } from "./token-state.ts";

/** How the cards write the fields of a blob (reference 05 section 5.4). */
export const blobStyles: Readonly<Record<CardProfile["name"], FieldStyle>> = {
  // CRT keys above 2048 bits go out as exponent and modulus.
  genuine: { integers: "fixed", emptyA: false, padAligned: true, crtUpTo: 2048 },
  pico: { integers: "minimal", emptyA: true, padAligned: false, crtUpTo: 0 },
};

export function plainKeyOf(key: StoredKey): PlainKey {
  switch (key.kind) {
    case "aes":
      return { kind: "aes", value: key.value.slice() };
    case "ec": {
      const point = publicPointOf(requireCurve(key.curve), key.scalar);
      return { kind: "ec", curve: key.curve, scalar: key.scalar.slice(), point };
    }
    case "rsa": {
      const { n, e, d, p, q, dp, dq, qi } = numbersOf(rsaKeyOf(key.pkcs8));
      const factors = { p, q, dP: dp, dQ: dq, qInv: qi };
      return { kind: "rsa", modulus: n, exponent: e, privateExponent: d, factors };
    }
  }
}

/**
 * A key that was unwrapped, checked: its numbers belong together.
 * @throws Error when they do not, or the card cannot hold it
 */
export function storedKeyOf(key: PlainKey, rules: KeyRules): StoredKey {
  switch (key.kind) {
    case "aes":
      return { kind: "aes", value: key.value, rules };
    case "ec":
      if (!equal(publicPointOf(requireCurve(key.curve), key.scalar), key.point)) {
        throw new RangeError("the point is another key's");
      }
      return { kind: "ec", curve: key.curve, scalar: key.scalar, rules };
    case "rsa": {
      const rsa = rsaKey(key);
      if (!rsaSizes.includes(rsaPublicKey(rsa).bits)) throw new RangeError("an RSA key of another size");
      return { kind: "rsa", pkcs8: new Uint8Array(rsa.export({ format: "der", type: "pkcs8" })), rules };
    }
  }
}

function rsaKey({ modulus, exponent, privateExponent, factors }: PlainRsaKey): ReturnType<typeof rsaKeyOf> {
  if (factors === undefined) return keyFromExponents(modulus, exponent, privateExponent);
  return keyFromPrimes(factors.p, factors.q, exponent, modulus);
}
