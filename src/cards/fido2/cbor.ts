import { decodeFirst, encode, rfc8949EncodeOptions } from "cborg";
import { HsmError, messageOf } from "../../errors.ts";

export type CborKey = number | string;
export type CborValue = number | bigint | string | boolean | null | Uint8Array | readonly CborValue[] | CborMap;
/** CTAP maps have integer keys, the structures of WebAuthn inside them text keys. */
export type CborMap = ReadonlyMap<CborKey, CborValue>;

/** A map of the entries that are there: what is `undefined` is left out. */
export function cborMap(...entries: readonly (readonly [CborKey, CborValue | undefined])[]): CborMap {
  return new Map(entries.filter((entry): entry is readonly [CborKey, CborValue] => entry[1] !== undefined));
}

/**
 * CBOR in the canonical form of CTAP2: shortest integers, definite lengths, keys by major type, then length, then
 * bytes. For keys in shortest form that is the bytewise order of RFC 8949; the "length first" of RFC 7049, taken by its
 * word, would put key -1 before key 24.
 */
export function encodeCbor(value: CborValue): Uint8Array {
  return encode(value, rfc8949EncodeOptions);
}

/**
 * Decodes one CBOR item and nothing behind it. Strict where two readings are possible (duplicate keys, tags,
 * indefinite lengths, bytes left over), lenient where authenticators differ (order of keys, longer integers).
 * @param what named in errors: `"the answer to authenticatorGetInfo"`
 * @throws HsmError `CTAP_ANSWER_INVALID` (unexpected)
 */
export function decodeCbor(bytes: Uint8Array, what: string): CborValue {
  const [value, rest] = decodeCborItem(bytes, what);
  if (rest.length > 0) throw invalidAnswer(what, `${rest.length} bytes are left over`);
  return value;
}

/** Decodes the first CBOR item. @returns it and the bytes behind it */
export function decodeCborItem(bytes: Uint8Array, what: string): readonly [value: CborValue, rest: Uint8Array] {
  if (deeperThan(bytes, deepestNesting)) throw invalidAnswer(what, "it is nested too deeply");
  try {
    return decodeFirst(bytes, {
      useMaps: true,
      allowIndefinite: false,
      allowUndefined: false,
      rejectDuplicateMapKeys: true,
    }) as [CborValue, Uint8Array];
  } catch (error) {
    throw invalidAnswer(what, messageOf(error).replace(/^CBOR decode error: /, ""), error);
  }
}

export function invalidAnswer(what: string, problem: string, cause?: unknown): HsmError {
  return new HsmError("CTAP_ANSWER_INVALID", "unexpected", `${what} makes no sense: ${problem}`, {
    advice:
      "take the token out and insert it again; if it repeats, this token is not a CTAP2 authenticator as specified",
    cause,
  });
}

/** CTAP2 allows 4 levels; attestation statements of some tokens have one or two more. */
const deepestNesting = 16;

/**
 * Whether containers are nested deeper than `limit`. The decoder recurses for each level, and a hostile answer of
 * 64 kB could be 64 thousand levels. Stops at anything it cannot follow, which the decoder then refuses.
 */
function deeperThan(bytes: Uint8Array, limit: number): boolean {
  /** Items still to come at each level. */
  const open: number[] = [1];
  for (let at = 0; at < bytes.length; ) {
    const head = bytes[at] as number;
    const major = head >> 5;
    const extra = head & 0x1f;
    const width = extra < 24 ? 0 : extra < 28 ? 2 ** (extra - 24) : -1;
    if (width < 0 || at + width >= bytes.length) return false;
    let argument = extra;
    if (width > 0) argument = bytes.subarray(at + 1, at + 1 + width).reduce((sum, byte) => sum * 256 + byte, 0);
    at += 1 + width;
    if (major === 2 || major === 3) at += argument;
    open[open.length - 1] = (open.at(-1) as number) - 1;
    const items = major === 4 ? argument : major === 5 ? argument * 2 : 0;
    if (items > 0) open.push(items);
    if (open.length - 1 > limit) return true;
    while (open.length > 0 && open.at(-1) === 0) open.pop();
    if (open.length === 0) return false;
  }
  return false;
}
