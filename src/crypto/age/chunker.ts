/**
 * Bytes in pieces of any sizes: a file's stream, an array, a generator. A piece is used up before the next one is asked
 * for, so a source may read into the same memory again; fresh memory for every piece is what costs most of its time.
 */
export type ByteSource = AsyncIterable<Uint8Array> | Iterable<Uint8Array>;

/** Cuts pieces of any sizes into chunks of one size, without copying where a piece holds a whole chunk. */
export class Chunker {
  readonly #size: number;
  readonly #holdsBack: boolean;
  /** What waits. A copy: the caller's bytes are his own after each call. */
  readonly #held: Uint8Array;
  #length = 0;

  /** @param holdsBack whether a full chunk waits until more comes, so that {@link rest} is the last chunk, be it full */
  constructor(size: number, holdsBack: boolean) {
    this.#size = size;
    this.#holdsBack = holdsBack;
    this.#held = new Uint8Array(size);
  }

  /** The full chunks. They are views: valid until the next one is asked for. */
  *push(piece: Uint8Array): Generator<Uint8Array> {
    let at = 0;
    if (this.#length > 0) {
      at = this.#fill(piece);
      if (!this.#isChunk(this.#length, piece.length - at)) return;
      this.#length = 0;
      yield this.#held;
    }
    for (; this.#isChunk(piece.length - at, piece.length - at - this.#size); at += this.#size) {
      yield piece.subarray(at, at + this.#size);
    }
    this.#fill(piece.subarray(at));
  }

  /** What is left over, perhaps nothing; no piece comes after it. */
  rest(): Uint8Array {
    return this.#held.subarray(0, this.#length);
  }

  /** What waited may have been secret. */
  wipe(): void {
    this.#held.fill(0);
  }

  #isChunk(there: number, behind: number): boolean {
    return there >= this.#size && (behind > 0 || !this.#holdsBack);
  }

  #fill(piece: Uint8Array): number {
    const taken = piece.subarray(0, this.#size - this.#length);
    this.#held.set(taken, this.#length);
    this.#length += taken.length;
    return taken.length;
  }
}
