import type { TokenPublicKey } from "../../../cards/smartcard-hsm/keys/public-key.ts";
import { leafFingerprint } from "../leaf-key.ts";

/** What a key on a card is in the records of known vaults, should it open one. */
export function keyFingerprint(key: TokenPublicKey): string {
  return key.kind === "ec"
    ? leafFingerprint({ kind: "card-ec", curve: key.curve, point: key.point, card: {} })
    : leafFingerprint({ kind: "card-rsa", modulus: key.modulus, exponent: key.exponent, card: {} });
}
