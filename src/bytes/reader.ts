import { HsmError } from "../errors.ts";

/**
 * Reads a byte string from front to back. Every read is checked: bytes from a card or a file are not to be trusted.
 * @throws HsmError `DATA_TRUNCATED` (check-failed) from every read past the end
 */
export class ByteReader {
  readonly #bytes: Uint8Array;
  readonly #what: string;
  #offset = 0;

  /** @param what named in errors, for example `"device certificate"` */
  constructor(bytes: Uint8Array, what: string) {
    this.#bytes = bytes;
    this.#what = what;
  }

  get offset(): number {
    return this.#offset;
  }

  get remaining(): number {
    return this.#bytes.length - this.#offset;
  }

  byte(): number {
    return this.bytes(1)[0] as number;
  }

  /** Two bytes, most significant first. */
  uint16(): number {
    const [high, low] = this.bytes(2) as unknown as [number, number];
    return high * 256 + low;
  }

  /** A view of the next `length` bytes. */
  bytes(length: number): Uint8Array {
    if (length > this.remaining) {
      throw new HsmError(
        "DATA_TRUNCATED",
        "check-failed",
        `${this.#what}: ${length} bytes expected at offset ${this.#offset}, ${this.remaining} there`,
      );
    }
    const view = this.#bytes.subarray(this.#offset, this.#offset + length);
    this.#offset += length;
    return view;
  }

  rest(): Uint8Array {
    return this.bytes(this.remaining);
  }
}
