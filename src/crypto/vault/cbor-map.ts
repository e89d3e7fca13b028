import { decode, encode } from "cborg";
import { asciiText, equal, utf8Bytes, utf8Text } from "../../bytes/bytes.ts";
import { headerInvalid, slotInvalid } from "./vault-errors.ts";

/** A CBOR map with small integers as keys, as descriptors have it. `undefined` values are left out. */
export type CborValue = string | number | boolean | Uint8Array | undefined | readonly CborValue[] | CborMap;
export interface CborMap {
  readonly [key: number]: CborValue;
}

/** Deterministic (RFC 8949 section 4.2.1): shortest forms, definite lengths, keys in ascending order. */
export function encodeMap(map: CborMap): Uint8Array {
  return new Uint8Array(encode(encodable(map)));
}

function encodable(value: CborValue): unknown {
  // Half of a surrogate pair would be written as another character.
  if (typeof value === "string" && utf8Text(utf8Bytes(value)) !== value) throw slotInvalid("a text that is no Unicode");
  if (Array.isArray(value)) return value.map((item: CborValue) => encodable(item));
  if (value instanceof Uint8Array || typeof value !== "object") return value;
  const entries = Object.entries(value as CborMap).filter(([, item]) => item !== undefined);
  return new Map(entries.map(([key, item]) => [Number(key), encodable(item)]));
}

const strict = {
  strict: true,
  useMaps: true,
  rejectDuplicateMapKeys: true,
  allowIndefinite: false,
  allowUndefined: false,
  allowInfinity: false,
  allowNaN: false,
  allowBigInt: false,
} as const;

/**
 * Reads a map that is in the deterministic form, and in no other.
 * @param what named in errors
 * @throws HsmError `VAULT_HEADER_INVALID` (check-failed)
 */
export function decodeMap(bytes: Uint8Array, what: string): MapFields {
  let value: unknown;
  let again: Uint8Array;
  try {
    value = decode(bytes, strict);
    again = encode(value);
  } catch (cause) {
    throw headerInvalid(`${what} is not CBOR of the deterministic form`, cause);
  }
  if (!equal(again, bytes)) throw headerInvalid(`${what} is not CBOR of the deterministic form`);
  return new MapFields(value, what);
}

/**
 * The fields of a decoded map, each checked as it is read. {@link end} refuses those that nobody read: a version that knows
 * more has to say so, and a program that rewrites the header must not lose what it does not know.
 */
export class MapFields {
  readonly #map: Map<unknown, unknown>;
  readonly #what: string;
  readonly #seen = new Set<unknown>();

  constructor(value: unknown, what: string) {
    if (!(value instanceof Map)) throw headerInvalid(`${what} is no map`);
    this.#map = value;
    this.#what = what;
  }

  has(key: number): boolean {
    return this.#map.has(key);
  }

  text(key: number): string {
    const value = this.#take(key);
    if (typeof value !== "string") throw this.invalid(key);
    return value;
  }

  integer(key: number, min: number, max: number): number {
    const value = this.#take(key);
    if (typeof value !== "number" || !Number.isSafeInteger(value) || value < min || value > max)
      throw this.invalid(key);
    return value;
  }

  boolean(key: number): boolean {
    const value = this.#take(key);
    if (typeof value !== "boolean") throw this.invalid(key);
    return value;
  }

  bytes(key: number, min: number, max: number = min): Uint8Array {
    const value = this.#take(key);
    if (!(value instanceof Uint8Array) || value.length < min || value.length > max) throw this.invalid(key);
    return new Uint8Array(value);
  }

  map(key: number, what: string): MapFields {
    return new MapFields(this.#take(key), `${this.#what}, ${what}`);
  }

  list(key: number, what: string): MapFields[] {
    const value = this.#take(key);
    if (!Array.isArray(value)) throw this.invalid(key);
    return value.map((item, i) => new MapFields(item, `${this.#what}, ${what} ${i + 1}`));
  }

  end(): void {
    for (const key of this.#map.keys()) {
      if (!this.#seen.has(key)) throw headerInvalid(`${this.#what}: unknown field ${shown(key)}`);
    }
  }

  invalid(key: number, problem = "missing, or not what belongs there"): ReturnType<typeof headerInvalid> {
    return headerInvalid(`${this.#what}: field ${key} is ${problem}`);
  }

  #take(key: number): unknown {
    this.#seen.add(key);
    return this.#map.get(key);
  }
}

function shown(key: unknown): string {
  if (typeof key === "number") return String(key);
  return typeof key === "string" && key.length <= 16 && asciiText(utf8Bytes(key)) !== null ? key : "?";
}
