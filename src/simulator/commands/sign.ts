import { SW } from "../../apdu/status-word.ts";
import { readTlv, readTlvs } from "../../bytes/tlv.ts";
import { plainToDer } from "../../crypto/curves/ecdsa.ts";
import { type Card, type CommandHandler, dataOf, ok, refuse } from "../card.ts";
import { requireCurve, signPlain } from "../ec-signing.ts";
import { countUse, keyFor, orMalformed } from "../key-use.ts";
import {
  digestInfo,
  type HashName,
  hashOf,
  hashOfLength,
  pssBlock,
  rsaKeyOf,
  rsaPkcs1,
  rsaPublicKey,
  rsaRaw,
} from "../rsa.ts";
import type { StoredKey } from "../token-state.ts";

type RsaScheme = "raw" | "pkcs1" | "pss";

/** What an algorithm id stands for; `hash` is absent where the host hashes (reference 02 section 2.13). */
const rsaAlgorithms = new Map<number, { readonly scheme: RsaScheme; readonly hash?: HashName }>([
  [0x20, { scheme: "raw" }],
  [0x30, { scheme: "pkcs1" }],
  [0x31, { scheme: "pkcs1", hash: "sha1" }],
  [0x32, { scheme: "pkcs1", hash: "sha224" }],
  [0x33, { scheme: "pkcs1", hash: "sha256" }],
  [0x34, { scheme: "pkcs1", hash: "sha384" }],
  [0x35, { scheme: "pkcs1", hash: "sha512" }],
  [0x40, { scheme: "pss" }],
  [0x41, { scheme: "pss", hash: "sha1" }],
  [0x42, { scheme: "pss", hash: "sha224" }],
  [0x43, { scheme: "pss", hash: "sha256" }],
  [0x44, { scheme: "pss", hash: "sha384" }],
  [0x45, { scheme: "pss", hash: "sha512" }],
]);

const ecdsaAlgorithms = new Map<number, HashName | "none">([
  [0x70, "none"],
  [0x71, "sha1"],
  [0x72, "sha224"],
  [0x73, "sha256"],
  [0x74, "sha384"],
  [0x75, "sha512"],
]);

/** SIGN with key P1 and algorithm P2. RSA answers a block as long as the modulus, EC a DER signature. */
export const sign: CommandHandler = (card, command) => {
  const { p1: id, p2: algorithm } = command;
  if (!rsaAlgorithms.has(algorithm) && !ecdsaAlgorithms.has(algorithm)) refuse(unknownAlgorithm(card));
  const key = keyFor(card, id, algorithm);
  const input = dataOf(command);
  if (key.kind === "aes") return refuse(card.profile.sw.wrongKeyType);
  const signature = key.kind === "rsa" ? signRsa(card, key, algorithm, input) : signEc(card, key, algorithm, input);
  countUse(card, key);
  return ok(signature);
};

function unknownAlgorithm(card: Card): number {
  return card.profile.name === "pico" ? SW.wrongP1P2 : SW.functionNotSupported;
}

function signEc(card: Card, key: StoredKey & { kind: "ec" }, algorithm: number, input: Uint8Array): Uint8Array {
  const hash = ecdsaAlgorithms.get(algorithm) ?? refuse(card.profile.sw.wrongKeyType);
  const curve = requireCurve(key.curve);
  if (hash === "none" && (input.length === 0 || input.length > 66)) refuse(SW.wrongLength);
  return plainToDer(orMalformed(card, () => signPlain(curve, key.scalar, input, card.world, hash)));
}

function signRsa(card: Card, stored: StoredKey & { kind: "rsa" }, algorithm: number, input: Uint8Array): Uint8Array {
  const { scheme, hash } = rsaAlgorithms.get(algorithm) ?? refuse(card.profile.sw.wrongKeyType);
  const key = rsaKeyOf(stored.pkcs8);
  const { bits } = rsaPublicKey(key);
  switch (scheme) {
    case "raw":
      if (input.length !== bits / 8) refuse(SW.wrongLength);
      return orMalformed(card, () => rsaRaw(key, input));
    case "pkcs1":
      return orMalformed(card, () => rsaPkcs1(key, hash === undefined ? input : digestInfo(hash, hashOf(hash, input))));
    case "pss": {
      const digest = hash === undefined ? givenDigest(card, input) : hashOf(hash, input);
      const name = hashOfLength(digest.length) ?? refuse(SW.wrongLength);
      // The salt is as long as the hash (reference, trap 41).
      const salt = card.world.random(digest.length);
      return orMalformed(card, () => rsaRaw(key, pssBlock(name, digest, salt, bits)));
    }
  }
}

/** The hash itself, or on a pico the one inside a DigestInfo: what OpenSC 0.23 sends for SHA256-RSA-PKCS-PSS. */
function givenDigest(card: Card, input: Uint8Array): Uint8Array {
  if (!card.profile.pssTakesDigestInfo || input[0] !== 0x30 || hashOfLength(input.length) !== undefined) return input;
  const [, digest] = readTlvs(readTlv(input, "DigestInfo").value, "DigestInfo");
  return digest?.tag === 0x04 ? digest.value : refuse(SW.wrongLength);
}
