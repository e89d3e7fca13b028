import { SW } from "../../apdu/status-word.ts";
import { type CommandHandler, dataOf, ok, refuse } from "../card.ts";
import { countUse, keyFor, orMalformed } from "../key-use.ts";
import { rsaKeyOf, rsaPublicKey, rsaRaw } from "../rsa.ts";

const rawRsa = 0x21;

/** DECIPHER: raw RSA; the host takes the padding off. ECDH is for a later version (reference 02 section 2.14). */
export const decipher: CommandHandler = (card, command) => {
  if (command.p2 !== rawRsa) refuse(card.profile.name === "pico" ? SW.wrongP1P2 : SW.functionNotSupported);
  const stored = keyFor(card, command.p1, rawRsa);
  if (stored.kind !== "rsa") return refuse(card.profile.sw.wrongKeyType);
  const key = rsaKeyOf(stored.pkcs8);
  const cryptogram = dataOf(command);
  if (cryptogram.length !== rsaPublicKey(key).modulus.length) refuse(SW.wrongLength);
  const plain = orMalformed(card, () => rsaRaw(key, cryptogram));
  countUse(card, stored);
  return ok(plain);
};
