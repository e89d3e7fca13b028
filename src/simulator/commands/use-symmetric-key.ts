import { hkdfSync } from "node:crypto";
import { SW } from "../../apdu/status-word.ts";
import { concat } from "../../bytes/bytes.ts";
import { aesCmac } from "../../crypto/aes-cmac.ts";
import { aesCbc } from "../aes.ts";
import { type Card, type CommandHandler, dataOf, ok, refuse } from "../card.ts";
import { countUse, keyFor } from "../key-use.ts";
import { hashOf } from "../rsa.ts";

const algorithm = { encrypt: 0x10, decrypt: 0x11, cmac: 0x18, derive: 0x99 } as const;
const blockLength = 16;

/** ENCIPHER, DECIPHER, CMAC and DERIVE with AES key P1, as P2 says (reference 02 section 2.15). */
export const useSymmetricKey: CommandHandler = (card, command) => {
  const { p1: id, p2 } = command;
  if (!Object.values<number>(algorithm).includes(p2)) {
    refuse(card.profile.name === "pico" ? SW.wrongP1P2 : SW.functionNotSupported);
  }
  const stored = keyFor(card, id, p2);
  if (stored.kind !== "aes") return refuse(card.profile.sw.wrongKeyType);
  const result = compute(card, stored.value, p2, dataOf(command));
  countUse(card, stored);
  return ok(result);
};

function compute(card: Card, key: Uint8Array, p2: number, data: Uint8Array): Uint8Array {
  switch (p2) {
    case algorithm.cmac:
      return aesCmac(key, data);
    case algorithm.derive:
      return derive(card, key, data);
    default:
      if (data.length === 0 || data.length % blockLength !== 0) refuse(SW.wrongLength);
      return aesCbc(key, data, p2 === algorithm.encrypt ? "encrypt" : "decrypt");
  }
}

/**
 * A pico: HKDF-SHA256 without salt, `data` as info, as long as `data`. A genuine card answers 32 bytes by a formula that
 * its maker has not published: here it is the one-step KDF of SP 800-56C with SHA-256, so no key made with it is another
 * card's (choice).
 */
function derive(card: Card, key: Uint8Array, data: Uint8Array): Uint8Array {
  if (data.length === 0) refuse(SW.wrongLength);
  if (card.profile.name === "pico") return new Uint8Array(hkdfSync("sha256", key, noSalt, data, data.length));
  return hashOf("sha256", concat(Uint8Array.of(0, 0, 0, 1), key, data));
}

const noSalt = new Uint8Array(0);
