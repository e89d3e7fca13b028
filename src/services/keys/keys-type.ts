import type { KeyPairType } from "../../cards/smartcard-hsm/keys/key-template.ts";
import { curveByName, curveNames } from "../../crypto/curves/curves.ts";
import { HsmError } from "../../errors.ts";

/** What `key generate --type` names. */
export type KeyType = KeyPairType | { readonly kind: "aes"; readonly bits: 128 | 192 | 256 };

/** Names that people use for curves; the others go by their own. */
const curveAliases: Readonly<Record<string, string>> = {
  p192: "secp192r1",
  p224: "secp224r1",
  p256: "secp256r1",
  p384: "secp384r1",
  p521: "secp521r1",
  prime192v1: "secp192r1",
  prime256v1: "secp256r1",
  k256: "secp256k1",
};

/**
 * `rsa:2048`, `ec:p256`, `ec:brainpoolP256r1`, `aes:256`. Which sizes a token has it says itself.
 * @throws HsmError `KEY_TYPE_INVALID` (usage)
 */
export function parseKeyType(text: string): KeyType {
  const [, kind, size = ""] = /^(rsa|ec|aes):([A-Za-z0-9-]{1,40})$/.exec(text) ?? [];
  switch (kind) {
    case "rsa":
      if (!/^\d{3,5}$/.test(size)) throw invalid("an RSA key wants its bits", "for example rsa:2048");
      return { kind, bits: Number(size) };
    case "ec":
      return { kind, curve: curveNamed(size) };
    case "aes":
      if (size === "128" || size === "192" || size === "256") return { kind, bits: Number(size) as 128 | 192 | 256 };
      throw invalid("an AES key has 128, 192 or 256 bits", "for example aes:256");
    default:
      throw invalid("a key type is rsa:BITS, ec:CURVE or aes:BITS", "for example rsa:2048, ec:p256, aes:256");
  }
}

function curveNamed(text: string): string {
  const plain = text.toLowerCase().replaceAll("-", "");
  const name = curveAliases[plain] ?? curveNames.find((known) => known.toLowerCase() === plain);
  if (name !== undefined && curveByName(name) !== undefined) return name;
  throw invalid("this curve is not known", `known are p256, p384, p521 and ${curveNames.join(", ")}`);
}

/** `RSA-2048`, `EC secp256r1`, `AES-256`. */
export function keyTypeName(type: KeyType): string {
  return type.kind === "ec" ? `EC ${type.curve}` : `${type.kind.toUpperCase()}-${type.bits}`;
}

/** How long a card is at it, for people who watch. */
export function patienceWords(type: KeyType): string {
  if (type.kind !== "rsa") return "a moment";
  if (type.bits <= 1024) return "some seconds";
  return type.bits <= 2048 ? "up to a minute on a card" : "minutes on a card";
}

function invalid(problem: string, advice: string): HsmError {
  return new HsmError("KEY_TYPE_INVALID", "usage", problem, { advice });
}
