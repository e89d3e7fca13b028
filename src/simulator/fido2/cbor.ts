import { decode, encode } from "cborg";
import { equal } from "../../bytes/bytes.ts";
import { CtapRefusal, ctapStatus, refuseCtap } from "./ctap-status.ts";

/** What CTAP messages are made of. */
export type CborValue = number | bigint | boolean | string | Uint8Array | readonly CborValue[] | CborMap;
export type CborMap = ReadonlyMap<number | string, CborValue>;

/** Deeper than this no message of CTAP2 is nested. */
const deepest = 4;

/** In CTAP2's canonical form: shortest integers, keys by type, then length, then bytes. */
export function encodeCbor(value: CborValue): Uint8Array {
  return encode(value);
}

/**
 * Reads one item, in canonical form and nothing behind it: an authenticator takes no other.
 * @throws CtapRefusal 12
 */
export function decodeCbor(bytes: Uint8Array): unknown {
  try {
    const options = { useMaps: true, strict: true, allowIndefinite: false, rejectDuplicateMapKeys: true } as const;
    const value: unknown = decode(bytes, options);
    // The library does not look at the order of keys; what is not written again as it came was out of order.
    if (tooDeep(value, deepest) || !equal(encode(value), bytes)) refuseCtap(ctapStatus.invalidCbor);
    return value;
  } catch {
    throw new CtapRefusal(ctapStatus.invalidCbor);
  }
}

function tooDeep(value: unknown, left: number): boolean {
  const inner = value instanceof Map ? [...value.values()] : Array.isArray(value) ? value : [];
  if (inner.length === 0 && !(value instanceof Map) && !Array.isArray(value)) return false;
  return left === 0 || inner.some((item) => tooDeep(item, left - 1));
}

/** A map of a request, read by key: 14 where a key is missing, 11 where its value is of another type. */
export class RequestMap {
  readonly #map: ReadonlyMap<unknown, unknown>;

  constructor(map: ReadonlyMap<unknown, unknown>) {
    this.#map = map;
  }

  /** @param bytes parameters of a command; none at all are an empty map. @throws CtapRefusal 12, 11 */
  static parse(bytes: Uint8Array): RequestMap {
    return bytes.length === 0 ? new RequestMap(new Map()) : RequestMap.of(decodeCbor(bytes));
  }

  /** @throws CtapRefusal 11 */
  static of(value: unknown): RequestMap {
    return new RequestMap(value instanceof Map ? value : refuseCtap(ctapStatus.unexpectedType));
  }

  has(key: number | string): boolean {
    return this.#map.has(key);
  }

  uint(key: number | string): number {
    const value = this.#need(key);
    return typeof value === "number" && value >= 0 ? value : refuseCtap(ctapStatus.unexpectedType);
  }

  /** Of up to 64 bits. */
  wide(key: number | string): bigint {
    const value = this.#need(key);
    if (typeof value !== "bigint" && !(typeof value === "number" && value >= 0)) refuseCtap(ctapStatus.unexpectedType);
    return BigInt(value as number | bigint);
  }

  int(key: number | string): number {
    const value = this.#need(key);
    return typeof value === "number" ? value : refuseCtap(ctapStatus.unexpectedType);
  }

  bytes(key: number | string): Uint8Array {
    const value = this.#need(key);
    return value instanceof Uint8Array ? value : refuseCtap(ctapStatus.unexpectedType);
  }

  text(key: number | string): string {
    const value = this.#need(key);
    return typeof value === "string" ? value : refuseCtap(ctapStatus.unexpectedType);
  }

  map(key: number | string): RequestMap {
    return RequestMap.of(this.#need(key));
  }

  list(key: number | string): readonly unknown[] {
    const value = this.#need(key);
    return Array.isArray(value) ? value : refuseCtap(ctapStatus.unexpectedType);
  }

  /** `undefined` when the key is not there. */
  flag(key: number | string): boolean | undefined {
    const value = this.#map.get(key);
    if (value === undefined || typeof value === "boolean") return value;
    return refuseCtap(ctapStatus.unexpectedType);
  }

  /** `undefined` when the key is not there. */
  optionalText(key: number | string): string | undefined {
    return this.has(key) ? this.text(key) : undefined;
  }

  /** The map in canonical form, where it is part of what is authenticated. */
  encoded(): Uint8Array {
    return encode(this.#map);
  }

  #need(key: number | string): unknown {
    const value = this.#map.get(key);
    return value === undefined ? refuseCtap(ctapStatus.missingParameter) : value;
  }
}
