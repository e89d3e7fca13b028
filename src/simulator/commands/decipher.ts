import { constants, privateDecrypt } from "node:crypto";
import { SW } from "../../apdu/status-word.ts";
import { multiplyPoint } from "../../crypto/curves/ec-keys.ts";
import { type Card, type CommandHandler, dataOf, ok, refuse } from "../card.ts";
import { requireCurve } from "../ec-signing.ts";
import { countUse, keyFor, orMalformed } from "../key-use.ts";
import { rsaKeyOf, rsaPublicKey, rsaRaw, withoutPkcs1Padding } from "../rsa.ts";
import type { StoredKey } from "../token-state.ts";

const algorithm = { rsaRaw: 0x21, rsaPkcs1: 0x22, rsaOaep: 0x23, ecdh: 0x80 } as const;

/** DECIPHER with RSA key P1, or ECDH with EC key P1, as P2 says (reference 02 section 2.14). */
export const decipher: CommandHandler = (card, command) => {
  const { p1: id, p2 } = command;
  if (!Object.values<number>(algorithm).includes(p2)) {
    refuse(card.profile.name === "pico" ? SW.wrongP1P2 : SW.functionNotSupported);
  }
  const key = keyFor(card, id, p2);
  if (key.kind !== (p2 === algorithm.ecdh ? "ec" : "rsa")) refuse(card.profile.sw.wrongKeyType);
  const data = dataOf(command);
  const plain = key.kind === "ec" ? agree(card, key, data) : decrypt(card, key, p2, data);
  countUse(card, key);
  return ok(plain);
};

function decrypt(card: Card, stored: StoredKey, p2: number, cryptogram: Uint8Array): Uint8Array {
  if (stored.kind !== "rsa") return refuse(card.profile.sw.wrongKeyType);
  const key = rsaKeyOf(stored.pkcs8);
  if (cryptogram.length !== rsaPublicKey(key).modulus.length) refuse(SW.wrongLength);
  return orMalformed(card, () => {
    if (p2 === algorithm.rsaRaw) return rsaRaw(key, cryptogram);
    if (p2 === algorithm.rsaPkcs1) return withoutPkcs1Padding(rsaRaw(key, cryptogram));
    const padding = constants.RSA_PKCS1_OAEP_PADDING;
    return new Uint8Array(privateDecrypt({ key, padding, oaepHash: "sha256" }, cryptogram));
  });
}

/** A genuine card answers the whole point, a pico `04` and its X alone. */
function agree(card: Card, { curve: name, scalar }: StoredKey & { kind: "ec" }, peer: Uint8Array): Uint8Array {
  const curve = requireCurve(name);
  if (peer[0] !== 0x04 || peer.length !== 1 + 2 * curve.fieldBytes) refuse(SW.wrongLength);
  const point = orMalformed(card, () => multiplyPoint(curve, scalar, peer));
  return card.profile.ecdhTellsY ? point : point.subarray(0, 1 + curve.fieldBytes);
}
