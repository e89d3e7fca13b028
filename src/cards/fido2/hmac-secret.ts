import { concat } from "../../bytes/bytes.ts";
import { type CborMap, type CborValue, cborMap, invalidAnswer } from "./cbor.ts";
import type { SharedSecret } from "./shared-secret.ts";

/** The extension's name in getInfo, requests and answers. */
export const hmacSecretExtension = "hmac-secret";

export const saltLength = 32;
const outputLength = 32;

/**
 * The input of the hmac-secret extension of getAssertion (CTAP 2.1 section 12.5).
 * @param salts one or two of 32 bytes
 * @param options.nameProtocol adds key 4 under protocol 1 too, where absent means 1 and the oldest tokens know no key 4
 */
export function hmacSecretInput(
  secret: SharedSecret,
  salts: readonly Uint8Array[],
  options: { readonly nameProtocol?: boolean } = {},
): CborMap {
  const plain = concat(...salts);
  const saltEnc = secret.encrypt(plain);
  plain.fill(0);
  const { version } = secret.protocol;
  return cborMap(
    [1, secret.keyAgreement],
    [2, saltEnc],
    [3, secret.authenticate(saltEnc)],
    [4, version === 1 && options.nameProtocol !== true ? undefined : version],
  );
}

/**
 * The outputs, one of 32 bytes for each salt.
 * @param encrypted the extension's value in the authenticator data
 * @throws HsmError `CTAP_ANSWER_INVALID` when there are not as many as salts were sent
 */
export function hmacSecretOutputs(secret: SharedSecret, encrypted: CborValue | undefined, salts: number): Uint8Array[] {
  const what = "the hmac-secret output";
  if (!(encrypted instanceof Uint8Array)) throw invalidAnswer(what, "it is missing");
  const outputs = secret.decrypt(encrypted, what);
  try {
    if (outputs.length !== salts * outputLength) {
      throw invalidAnswer(what, `${outputs.length} bytes for ${salts} salts`);
    }
    return Array.from({ length: salts }, (_, i) => outputs.slice(i * outputLength, (i + 1) * outputLength));
  } finally {
    outputs.fill(0);
  }
}
