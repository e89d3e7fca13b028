import { type CborKey, type CborMap, type CborValue, invalidAnswer } from "./cbor.ts";

/**
 * The members of one map that came from an authenticator, each checked for its type as it is taken. Keys that nobody
 * asks for are passed over: every version of CTAP adds some.
 */
export class CborFields {
  readonly #map: CborMap;
  readonly #what: string;

  /** @param what named in errors: `"the answer to authenticatorGetInfo"` */
  constructor(value: CborValue, what: string) {
    if (!(value instanceof Map)) throw invalidAnswer(what, "it is no map");
    this.#map = value as CborMap;
    this.#what = what;
  }

  bytes(key: CborKey, length?: number): Uint8Array {
    return this.#needed(key, this.optionalBytes(key, length));
  }

  optionalBytes(key: CborKey, length?: number): Uint8Array | undefined {
    const value = this.#map.get(key);
    if (value === undefined) return undefined;
    if (!(value instanceof Uint8Array)) throw this.#wrong(key, "a byte string");
    if (length !== undefined && value.length !== length) {
      throw invalidAnswer(this.#what, `key ${key} has ${value.length} bytes, ${length} expected`);
    }
    return value;
  }

  /** A number from 0 up. */
  unsigned(key: CborKey): number {
    return this.#needed(key, this.optionalUnsigned(key));
  }

  optionalUnsigned(key: CborKey): number | undefined {
    const value = this.optionalInteger(key);
    if (value !== undefined && value < 0) throw this.#wrong(key, "a number from 0 up");
    return value;
  }

  optionalInteger(key: CborKey): number | undefined {
    const value = this.#map.get(key);
    if (value === undefined) return undefined;
    if (typeof value !== "number" || !Number.isSafeInteger(value)) throw this.#wrong(key, "an integer");
    return value;
  }

  optionalText(key: CborKey): string | undefined {
    const value = this.#map.get(key);
    if (value === undefined) return undefined;
    if (typeof value !== "string") throw this.#wrong(key, "a text");
    return value;
  }

  optionalBoolean(key: CborKey): boolean | undefined {
    const value = this.#map.get(key);
    if (value === undefined) return undefined;
    if (typeof value !== "boolean") throw this.#wrong(key, "true or false");
    return value;
  }

  list(key: CborKey): readonly CborValue[] {
    const value = this.#map.get(key);
    if (value === undefined) return [];
    if (!Array.isArray(value)) throw this.#wrong(key, "a list");
    return value as readonly CborValue[];
  }

  /** The texts of a list; other items are passed over. */
  texts(key: CborKey): readonly string[] {
    return this.list(key).filter((item) => typeof item === "string");
  }

  map(key: CborKey): CborMap {
    return this.#needed(key, this.optionalMap(key));
  }

  optionalMap(key: CborKey): CborMap | undefined {
    const value = this.#map.get(key);
    if (value === undefined) return undefined;
    if (!(value instanceof Map)) throw this.#wrong(key, "a map");
    return value as CborMap;
  }

  #needed<Value>(key: CborKey, value: Value | undefined): Value {
    if (value === undefined) throw invalidAnswer(this.#what, `key ${key} is missing`);
    return value;
  }

  #wrong(key: CborKey, expected: string): Error {
    return invalidAnswer(this.#what, `key ${key} is not ${expected}`);
  }
}
