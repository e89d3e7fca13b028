import { hexNumber } from "../../../bytes/hex.ts";
import { HsmError } from "../../../errors.ts";
import type { KeyKind } from "../pkcs15-key-description.ts";

export type HashName = "sha1" | "sha224" | "sha256" | "sha384" | "sha512";
export const hashBytes = { sha1: 20, sha224: 28, sha256: 32, sha384: 48, sha512: 64 } as const satisfies Record<
  HashName,
  number
>;

/** Algorithm identifiers: P2 of the commands and the entries of a key's algorithm list (reference 02, sections 2.13-2.17). */
export const algorithmIds = {
  "aes-encrypt": 0x10,
  "aes-decrypt": 0x11,
  "aes-cmac": 0x18,
  "aes-derive": 0x99,
  "rsa-raw-sign": 0x20,
  "rsa-raw-decrypt": 0x21,
  "rsa-pkcs1-decrypt": 0x22,
  "rsa-oaep-decrypt": 0x23,
  "rsa-pkcs1": 0x30,
  "rsa-pkcs1-sha1": 0x31,
  "rsa-pkcs1-sha224": 0x32,
  "rsa-pkcs1-sha256": 0x33,
  "rsa-pkcs1-sha384": 0x34,
  "rsa-pkcs1-sha512": 0x35,
  "rsa-pss": 0x40,
  "rsa-pss-sha1": 0x41,
  "rsa-pss-sha224": 0x42,
  "rsa-pss-sha256": 0x43,
  "rsa-pss-sha384": 0x44,
  "rsa-pss-sha512": 0x45,
  ecdsa: 0x70,
  "ecdsa-sha1": 0x71,
  "ecdsa-sha224": 0x72,
  "ecdsa-sha256": 0x73,
  "ecdsa-sha384": 0x74,
  "ecdsa-sha512": 0x75,
  ecdh: 0x80,
  "ecdh-authenticated": 0x83,
  "ecdh-xkek": 0x84,
  wrap: 0x92,
  unwrap: 0x93,
  replace: 0x94,
  "ec-derive": 0x98,
  default: 0xa0,
} as const;
export type AlgorithmName = keyof typeof algorithmIds;

/** `ecdsa-sha256`, or `73` where the identifier has no name here. */
export function algorithmName(id: number): string {
  return Object.entries(algorithmIds).find(([, known]) => known === id)?.[0] ?? hexNumber(id, 2);
}

/** Cards take at most this many in one list. */
const maxAlgorithms = 16;

/**
 * The identifiers of an algorithm list.
 * @param list names, or two hex digits for what has no name here
 * @throws HsmError `ALGORITHM_UNKNOWN` (usage), also for an algorithm of another kind of key
 */
export function algorithmList(list: readonly string[], kind: KeyKind): number[] {
  const ids = list.map((entry) => {
    const known: number | undefined = Object.hasOwn(algorithmIds, entry)
      ? algorithmIds[entry as AlgorithmName]
      : undefined;
    if (known === undefined && !/^[0-9a-fA-F]{2}$/.test(entry))
      throw unknown(`algorithm "${entry}" is not known`, kind);
    const id = known ?? Number.parseInt(entry, 16);
    const of = kindOf(id);
    if (of !== undefined && of !== kind) throw unknown(`algorithm "${entry}" is none of ${kindNames[kind]} keys`, kind);
    return id;
  });
  if (new Set(ids).size > maxAlgorithms) throw unknown(`a key takes at most ${maxAlgorithms} algorithms`, kind);
  return [...new Set(ids)];
}

export const kindNames = { rsa: "RSA", ec: "EC", aes: "AES" } as const satisfies Record<KeyKind, string>;

/** The kind of key an algorithm belongs to; `undefined` for those of any key, such as wrap. */
function kindOf(id: number): KeyKind | undefined {
  if (id === 0x99 || (id >= 0x10 && id <= 0x1f)) return "aes";
  if (id >= 0x20 && id <= 0x4f) return "rsa";
  return id === 0x98 || (id >= 0x70 && id <= 0x8f) ? "ec" : undefined;
}

function unknown(problem: string, kind: KeyKind): HsmError {
  const names = Object.entries(algorithmIds).filter(([, id]) => (kindOf(id) ?? kind) === kind);
  return new HsmError("ALGORITHM_UNKNOWN", "usage", problem, {
    advice: `${kindNames[kind]} keys know ${names.map(([name]) => name).join(", ")}`,
  });
}
