/** Bytes in pieces of any sizes: a file's stream, an array, a generator. */
export type ByteSource = AsyncIterable<Uint8Array> | Iterable<Uint8Array>;

/**
 * Cuts pieces of any sizes into chunks of one size, without copying where a piece holds a whole chunk. A full chunk is
 * held back until more comes, for the last one is another kind: {@link end} gives it.
 */
export class Chunker {
  readonly #size: number;
  /** What waits: a view of the caller's bytes never outlives the call, so this is a copy. */
  readonly #held: Uint8Array;
  #length = 0;

  constructor(size: number) {
    this.#size = size;
    this.#held = new Uint8Array(size);
  }

  /** The chunks known not to be the last. They are views: valid until the next call. */
  *push(piece: Uint8Array): Generator<Uint8Array> {
    let at = 0;
    if (this.#length > 0) {
      at = this.#fill(piece);
      if (at === piece.length) return;
      this.#length = 0;
      yield this.#held;
    }
    for (; piece.length - at > this.#size; at += this.#size) yield piece.subarray(at, at + this.#size);
    this.#fill(piece.subarray(at));
  }

  /** The last chunk, which may be empty or full; nothing is pushed after it. */
  end(): Uint8Array {
    return this.#held.subarray(0, this.#length);
  }

  /** What waited may have been secret. */
  wipe(): void {
    this.#held.fill(0);
  }

  #fill(piece: Uint8Array): number {
    const taken = piece.subarray(0, this.#size - this.#length);
    this.#held.set(taken, this.#length);
    this.#length += taken.length;
    return taken.length;
  }
}
