import type { HashName } from "../../cards/smartcard-hsm/keys/algorithms.ts";
import { algorithmIds } from "../../cards/smartcard-hsm/keys/algorithms.ts";
import { allows } from "../../cards/smartcard-hsm/keys/key-metadata.ts";
import { keyName, type TokenKey } from "../../cards/smartcard-hsm/keys/token-key.ts";
import type { SmartCardHsm } from "../../cards/smartcard-hsm/smartcard-hsm.ts";
import type { PublicKey } from "../../crypto/keys/public-key-formats.ts";
import { HsmError } from "../../errors.ts";
import { checkSignature, chooseScheme, type SignatureScheme } from "../keys/keys-signature.ts";

type Limits = Pick<TokenKey, "kind" | "ref" | "label" | "metadata">;

/**
 * How a key signs: as asked, else as it may: ECDSA for EC; for RSA PKCS#1 v1.5, or PSS where the key permits nothing else.
 * @throws HsmError as {@link chooseScheme}
 */
export function schemeOf(key: Limits, wanted: SignatureScheme | undefined, hash: HashName): SignatureScheme {
  const scheme = chooseScheme(key, wanted);
  if (scheme !== "pkcs1" || wanted !== undefined) return scheme;
  const may = (...names: (keyof typeof algorithmIds)[]) =>
    names.some((name) => allows(key.metadata, algorithmIds[name]));
  if (may("rsa-pkcs1", `rsa-pkcs1-${hash}`, "rsa-raw-sign")) return "pkcs1";
  return may("rsa-pss", `rsa-pss-${hash}`) ? "pss" : "pkcs1";
}

/** The hash that is as strong as the key (RFC 5480 section 4, RFC 7518 section 3.4). */
export function hashOf(key: PublicKey, orderBytes: number): Exclude<HashName, "sha1" | "sha224"> {
  if (key.kind === "rsa" || orderBytes <= 32) return "sha256";
  return orderBytes <= 48 ? "sha384" : "sha512";
}

/**
 * Signs with a key on the token and proves on the host that the signature is one of that key, before anybody sees it.
 * @returns RSA: as long as the modulus; ECDSA: DER
 * @throws HsmError `SIGNATURE_NOT_OF_KEY` (check-failed), and as `SmartCardHsm.sign`
 */
export async function signProved(
  card: Pick<SmartCardHsm, "sign">,
  key: TokenKey,
  publicKey: PublicKey,
  how: { readonly scheme: SignatureScheme; readonly hash: HashName },
  message: Uint8Array,
): Promise<Uint8Array> {
  const signature = await card.sign(key, how, message);
  const check = checkSignature(publicKey, how.scheme, how.hash);
  check.update(message);
  if (check.holds(signature)) return signature;
  throw new HsmError(
    "SIGNATURE_NOT_OF_KEY",
    "check-failed",
    `what ${keyName(key)} signed does not hold under the public key that stands beside it`,
    {
      advice: "the certificate or request beside the key is that of another key; `hsmadm key show` tells what is there",
    },
  );
}
