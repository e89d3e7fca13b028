import { concat } from "../../../bytes/bytes.ts";
import { withoutOaepPadding, withoutPkcs1Padding } from "../../../crypto/keys/rsa-padding.ts";
import type { Session } from "../session.ts";
import { algorithmIds, type HashName } from "./algorithms.ts";
import { allows } from "./key-metadata.ts";
import { badAnswer, badInput, needKind, permitted, useKey } from "./key-use.ts";
import { modulusBytes } from "./sign.ts";
import type { KeyInUse } from "./token-key.ts";

export type DecryptScheme =
  | { readonly scheme: "pkcs1" }
  /** MGF1 with the same hash; `label` is empty when absent. */
  | { readonly scheme: "oaep"; readonly hash: HashName; readonly label?: Uint8Array | undefined }
  /** The whole block, padding included, as long as the modulus. */
  | { readonly scheme: "raw" };

/**
 * Decrypts with an RSA key on the token: the raw operation there, the padding here; where the key's algorithm list does
 * not permit that, the card's own PKCS#1 or OAEP (SHA-256, no label). Needs a login.
 * @param ciphertext as long as the modulus
 * @throws HsmError `KEY_INPUT_INVALID` (usage), `ALGORITHM_NOT_ALLOWED` (not-supported) before anything is sent;
 *   `DECRYPTION_FAILED` (check-failed), one error for all that can be wrong with a ciphertext
 */
export async function decrypt(
  session: Session,
  key: KeyInUse,
  scheme: DecryptScheme,
  ciphertext: Uint8Array,
): Promise<Uint8Array> {
  needKind(session, key, "rsa", "decryption");
  const modulus = modulusBytes(key);
  if (modulus !== null && ciphertext.length !== modulus) {
    throw badInput(`a ciphertext for this key has ${modulus} bytes, this one has ${ciphertext.length}`);
  }
  if (key.publicKey?.kind === "rsa" && notBelow(ciphertext, key.publicKey.modulus)) {
    throw badInput("this ciphertext was made for another key: it is not below the modulus of this one");
  }
  const algorithm = permitted(session, key, ways(key, scheme));
  const answer = await session.send(useKey("DECIPHER", key, algorithm, ciphertext, session), "login");
  if (algorithm !== algorithmIds["rsa-raw-decrypt"]) return answer;
  if (answer.length > ciphertext.length) throw badAnswer(session, key, `${answer.length} bytes of plaintext`);
  // A card that drops leading zeros must not shift the padding.
  const block = concat(new Uint8Array(ciphertext.length - answer.length), answer);
  if (scheme.scheme === "raw") return block;
  return scheme.scheme === "pkcs1"
    ? withoutPkcs1Padding(block)
    : withoutOaepPadding(block, scheme.hash, scheme.label ?? new Uint8Array(0));
}

function ways(key: KeyInUse, scheme: DecryptScheme): number[] {
  const raw = algorithmIds["rsa-raw-decrypt"];
  if (scheme.scheme === "pkcs1") return [raw, algorithmIds["rsa-pkcs1-decrypt"]];
  const cardOaep = scheme.scheme === "oaep" && scheme.hash === "sha256" && (scheme.label?.length ?? 0) === 0;
  return cardOaep && !allows(key.metadata, raw) ? [algorithmIds["rsa-oaep-decrypt"]] : [raw];
}

function notBelow(number: Uint8Array, modulus: Uint8Array): boolean {
  if (number.length !== modulus.length) return false;
  for (let i = 0; i < number.length; i++) {
    const difference = (number[i] ?? 0) - (modulus[i] ?? 0);
    if (difference !== 0) return difference > 0;
  }
  return true;
}
