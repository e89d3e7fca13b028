import { createHash } from "node:crypto";
import { utf8Bytes, utf8Text } from "../../bytes/bytes.ts";
import { HsmError } from "../../errors.ts";

/** CTAP 2.1 section 6.5.1: no authenticator takes a PIN shorter than 4 characters or longer than 63 bytes. */
const limits = { characters: 4, bytes: 63 } as const;
const paddedLength = 64;

/**
 * The bytes of a PIN as every platform must send them: Unicode NFC, then UTF-8. What was typed decomposed is composed,
 * else the same PIN typed on another keyboard is refused.
 * @param pin UTF-8; the caller overwrites it
 * @param shortest least number of code points: the token's minPINLength for a new PIN
 * @throws HsmError `FIDO_PIN_MALFORMED` (usage): the PIN was not sent
 */
export function fidoPinBytes(pin: Uint8Array, shortest: number = limits.characters): Uint8Array {
  const { bytes, characters } = composed(pin);
  if (characters < Math.max(shortest, limits.characters)) {
    bytes.fill(0);
    throw malformed(`it has ${characters} characters, at least ${Math.max(shortest, limits.characters)} are needed`);
  }
  if (bytes.length > limits.bytes) {
    bytes.fill(0);
    throw malformed(`it has ${bytes.length} bytes in UTF-8, at most ${limits.bytes} are taken`);
  }
  return bytes;
}

function composed(pin: Uint8Array): { readonly bytes: Uint8Array; readonly characters: number } {
  // ASCII is composed already; so most PINs never become a string, which could not be overwritten.
  if (pin.every((byte) => byte < 0x80)) {
    if (pin.includes(0)) throw malformed("it has a zero byte in it");
    return { bytes: pin.slice(), characters: pin.length };
  }
  const text = utf8Text(pin)?.normalize("NFC");
  if (text === undefined || text.includes("\0")) throw malformed("it is not UTF-8 text");
  return { bytes: utf8Bytes(text), characters: [...text].length };
}

/** LEFT(SHA-256(PIN), 16): what is sent, encrypted, in place of a PIN. */
export function pinHash(pin: Uint8Array): Uint8Array {
  return new Uint8Array(createHash("sha256").update(pin).digest().subarray(0, 16));
}

/** A new PIN as it is encrypted: zeros up to 64 bytes. */
export function paddedPin(pin: Uint8Array): Uint8Array {
  const padded = new Uint8Array(paddedLength);
  padded.set(pin);
  return padded;
}

function malformed(problem: string): HsmError {
  return new HsmError(
    "FIDO_PIN_MALFORMED",
    "usage",
    `this cannot be the PIN of a FIDO2 token, and it was NOT sent: ${problem}`,
    {
      advice: "a FIDO2 PIN has 4 to 63 characters of any kind",
    },
  );
}
