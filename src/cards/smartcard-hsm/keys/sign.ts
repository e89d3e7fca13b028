import { createHash } from "node:crypto";
import { concat } from "../../../bytes/bytes.ts";
import { fromHex } from "../../../bytes/hex.ts";
import { curveByName } from "../../../crypto/curves/curves.ts";
import { derToPlain, plainToDer } from "../../../crypto/curves/ecdsa.ts";
import type { Session } from "../session.ts";
import { type AlgorithmName, algorithmIds, type HashName, hashBytes } from "./algorithms.ts";
import { allows } from "./key-metadata.ts";
import { badAnswer, badInput, longestInput, longestShortInput, needKind, permitted, useKey } from "./key-use.ts";
import type { KeyInUse } from "./token-key.ts";

/**
 * - `pkcs1`: RSASSA-PKCS1-v1_5; `pss`: RSASSA-PSS, salt as long as the hash, MGF1 with the same hash
 * - `ecdsa`
 * - `raw`: RSA with a block as long as the modulus that the caller has padded
 */
export type SignScheme =
  | {
      readonly scheme: "pkcs1" | "pss" | "ecdsa";
      readonly hash: HashName;
      /** The input is the digest already. */
      readonly digest?: boolean | undefined;
    }
  | { readonly scheme: "raw" };

/**
 * Signs with a key on the token. The host hashes, so that messages may be of any length; where the key's algorithm list
 * permits only hashing on the card, the message goes there. Needs a login.
 * @returns RSA: as long as the modulus; ECDSA: DER with the shortest integers
 * @throws HsmError `KEY_KIND_WRONG`, `KEY_INPUT_INVALID` (usage), `ALGORITHM_NOT_ALLOWED` (not-supported) before
 *   anything is sent
 */
export async function sign(
  session: Session,
  key: KeyInUse,
  scheme: SignScheme,
  input: Uint8Array,
): Promise<Uint8Array> {
  if (scheme.scheme === "ecdsa") {
    needKind(session, key, "ec", "ECDSA");
    const { algorithm, data } = hashed(session, key, "ecdsa", scheme.hash, scheme.digest ?? false, input);
    const order = orderBytes(key);
    // A digest longer than the order counts by its leftmost bytes; cutting here leaves nothing to the card.
    const cut = algorithm === algorithmIds.ecdsa && order !== null ? data.subarray(0, order) : data;
    const answer = await session.send(useKey("SIGN", key, algorithm, cut, session), "login");
    // Old firmware puts more zeros before an integer than DER allows.
    return plainToDer(derToPlain(answer, order ?? Math.max(1, answer.length - 8)));
  }
  needKind(session, key, "rsa", "an RSA signature");
  const modulus = modulusBytes(key);
  const { algorithm, data } =
    scheme.scheme === "raw"
      ? { algorithm: permitted(session, key, [algorithmIds["rsa-raw-sign"]]), data: rawBlock(input, modulus) }
      : rsaInput(session, key, { ...scheme, digest: scheme.digest ?? false }, input, modulus);
  const signature = await session.send(useKey("SIGN", key, algorithm, data, session), "login");
  if (signature.length === 0 || (modulus !== null && signature.length !== modulus)) {
    throw badAnswer(session, key, `a signature of ${signature.length} bytes, the modulus has ${modulus ?? "more"}`);
  }
  return signature;
}

interface Hashing {
  readonly scheme: "pkcs1" | "pss" | "ecdsa";
  readonly hash: HashName;
  readonly digest: boolean;
}

function rsaInput(
  session: Session,
  key: KeyInUse,
  { scheme, hash, digest }: Hashing,
  input: Uint8Array,
  modulus: number | null,
): { algorithm: number; data: Uint8Array } {
  if (scheme === "pss") {
    if (modulus !== null && modulus < 2 * hashBytes[hash] + 2)
      throw badInput(`${hash} is too long for this key with PSS`);
    return hashed(session, key, "rsa-pss", hash, digest, input);
  }
  if (modulus !== null && modulus < digestInfoPrefix[hash].length + hashBytes[hash] + 11) {
    throw badInput(`${hash} is too long for this key`);
  }
  const raw = algorithmIds["rsa-raw-sign"];
  const onCard = algorithmIds[`rsa-pkcs1-${hash}`];
  const onlyRaw = !allows(key.metadata, algorithmIds["rsa-pkcs1"]) && (digest || !allows(key.metadata, onCard));
  if (onlyRaw && modulus !== null && allows(key.metadata, raw)) {
    return {
      algorithm: permitted(session, key, [raw]),
      data: pkcs1Block(digestInfo(digestOf(hash, digest, input), hash), modulus),
    };
  }
  const { algorithm, data } = hashed(session, key, "rsa-pkcs1", hash, digest, input);
  return { algorithm, data: algorithm === algorithmIds["rsa-pkcs1"] ? digestInfo(data, hash) : data };
}

/** The algorithm that takes a digest where the key permits it, else the one that hashes on the card. */
function hashed(
  session: Session,
  key: KeyInUse,
  family: "rsa-pkcs1" | "rsa-pss" | "ecdsa",
  hash: HashName,
  digest: boolean,
  input: Uint8Array,
): { algorithm: number; data: Uint8Array } {
  const name: AlgorithmName = `${family}-${hash}`;
  const given = algorithmIds[family];
  const onCard = algorithmIds[name];
  const ready = digestOf(hash, digest, input);
  const algorithm = permitted(session, key, digest ? [given] : [given, onCard]);
  if (algorithm === given) return { algorithm, data: ready };
  const longest = session.extended ? longestInput : longestShortInput;
  if (input.length > longest) {
    throw badInput(
      `this key hashes on the token only, which takes messages of at most ${longest} bytes, not ${input.length}`,
    );
  }
  return { algorithm, data: input };
}

function digestOf(hash: HashName, digest: boolean, input: Uint8Array): Uint8Array {
  if (!digest) return new Uint8Array(createHash(hash).update(input).digest());
  if (input.length === hashBytes[hash]) return input;
  throw badInput(`a ${hash} digest has ${hashBytes[hash]} bytes, this one has ${input.length}`);
}

/** DER of DigestInfo before the digest (RFC 8017 section 9.2, note 1). */
const digestInfoPrefix: Readonly<Record<HashName, Uint8Array>> = {
  sha1: fromHex("3021300906052B0E03021A05000414"),
  sha224: fromHex("302D300D06096086480165030402040500041C"),
  sha256: fromHex("3031300D060960864801650304020105000420"),
  sha384: fromHex("3041300D060960864801650304020205000430"),
  sha512: fromHex("3051300D060960864801650304020305000440"),
};

export function digestInfo(digest: Uint8Array, hash: HashName): Uint8Array {
  return concat(digestInfoPrefix[hash], digest);
}

/** EMSA-PKCS1-v1_5: `00 01 FF… 00 T`. */
export function pkcs1Block(content: Uint8Array, length: number): Uint8Array {
  const block = new Uint8Array(length).fill(0xff);
  block.set([0x00, 0x01]);
  block[length - content.length - 1] = 0x00;
  block.set(content, length - content.length);
  return block;
}

function rawBlock(input: Uint8Array, modulus: number | null): Uint8Array {
  if (modulus === null || input.length === modulus) return input;
  throw badInput(`a raw RSA block is as long as the modulus, ${modulus} bytes, this one has ${input.length}`);
}

/** Bytes of an RSA modulus; `null` where nothing tells. */
export function modulusBytes({ kind, bits }: KeyInUse): number | null {
  return kind !== "rsa" || bits === null ? null : Math.ceil(bits / 8);
}

function orderBytes({ curve, bits }: KeyInUse): number | null {
  const known = curve === null ? undefined : curveByName(curve);
  return known?.orderBytes ?? (bits === null ? null : Math.ceil(bits / 8));
}
