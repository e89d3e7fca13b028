import { bech32 } from "@scure/base";
import { invalidKeyText } from "./age-errors.ts";

/** Bech32 (BIP 173) without its limit of 90 characters, as age keys are spelled. @param prefix lower case */
export function encodeBech32(prefix: string, bytes: Uint8Array): string {
  return bech32.encode(prefix, bech32.toWords(bytes), false);
}

/**
 * @param prefix lower case; the text is all lower case, or all upper case where `upper` is set: age accepts one only
 * @param what named in the error, with its article
 * @throws HsmError `AGE_KEY_INVALID` (usage)
 */
export function decodeBech32(text: string, prefix: string, what: string, upper = false): Uint8Array {
  if (text !== (upper ? text.toUpperCase() : text.toLowerCase())) throw invalidKeyText(what);
  let found: string;
  let bytes: Uint8Array;
  try {
    const decoded = bech32.decode(text.toLowerCase() as `${string}1${string}`, false);
    found = decoded.prefix;
    bytes = bech32.fromWords(decoded.words);
  } catch {
    // The library's message quotes the text, which may be a secret key.
    throw invalidKeyText(what);
  }
  if (found !== prefix) throw invalidKeyText(what);
  return bytes;
}
