import { entropyToMnemonic, mnemonicToEntropy } from "@scure/bip39";
import { wordlist } from "@scure/bip39/wordlists/english.js";
import { HsmError } from "../../errors.ts";
import { invalidHostKey } from "./host-key.ts";

const wordCount = 24;

/** A host key as 24 words of BIP-39 (English), whose last one holds a checksum. */
export function hostKeyWords(hostKey: Uint8Array): string[] {
  return entropyToMnemonic(hostKey, wordlist).split(" ");
}

/**
 * @param text words, white space between them; numbers and dashes before words are passed over
 * @throws HsmError `HOST_KEY_WORDS_INVALID` (check-failed), which names places, never words
 */
export function hostKeyFromWords(text: string): Uint8Array {
  const words = wordsOf(text);
  if (words.length !== wordCount) throw invalidWords(`there are ${words.length} words, not ${wordCount}`);
  const unknown = words.flatMap((word, i) => (wordlist.includes(word) ? [] : [i + 1]));
  if (unknown.length > 0) {
    throw invalidWords(
      `not in the list of BIP-39: word ${unknown.join(", ")}`,
      "words of the older tool need its list: --word-list FILE",
    );
  }
  try {
    return mnemonicToEntropy(words.join(" "), wordlist);
  } catch {
    throw invalidWords("the checksum does not hold: a word is wrong, or two are in the wrong order");
  }
}

/**
 * A host key from the 24 words of the older tool: each word is a digit to the base 2048, the least significant first,
 * without a checksum. The backup file tells whether they were right.
 * @param list its 2048 words, one a line
 * @throws HsmError `HOST_KEY_WORDS_INVALID`, `WORD_LIST_INVALID` (check-failed)
 */
export function hostKeyFromToolWords(text: string, list: string): Uint8Array {
  const digits = toolWordList(list);
  const words = wordsOf(text);
  if (words.length !== wordCount) throw invalidWords(`there are ${words.length} words, not ${wordCount}`);
  const unknown = words.flatMap((word, i) => (digits.has(word) ? [] : [i + 1]));
  if (unknown.length > 0) throw invalidWords(`not in the list given: word ${unknown.join(", ")}`);
  let value = 0n;
  for (const word of words.toReversed()) value = value * 2048n + BigInt(digits.get(word) ?? 0);
  if (value >> 256n !== 0n) throw invalidWords("they make a number of more than 256 bits: the order is wrong");
  const key = new Uint8Array(32);
  for (let i = 31; i >= 0; i--) {
    key[i] = Number(value & 0xffn);
    value >>= 8n;
  }
  return key;
}

function toolWordList(text: string): ReadonlyMap<string, number> {
  const words = text.split(/[\s,"']+/).filter((word) => word !== "");
  const digits = new Map(words.map((word, i) => [word.toLowerCase(), i]));
  if (words.length === 2048 && digits.size === 2048) return digits;
  const found = words.length === 2048 ? "a word twice" : `${words.length} words`;
  throw new HsmError("WORD_LIST_INVALID", "check-failed", `the word list has ${found}, not 2048 words`, {
    advice: "give the tool's list as a text file, one word a line, in its order",
  });
}

/** Comment lines are passed over; `01 - clumsy` is how the older tool prints words. */
function wordsOf(text: string): string[] {
  return text
    .replace(/^#.*$/gm, "")
    .toLowerCase()
    .split(/[^a-z]+/)
    .filter((word) => word !== "");
}

function invalidWords(problem: string, advice = "compare them with the paper"): HsmError {
  const { message } = invalidHostKey(problem);
  return new HsmError(
    "HOST_KEY_WORDS_INVALID",
    "check-failed",
    message.replace("the host key", "the words of the host key").replace("makes", "make"),
    { advice },
  );
}
