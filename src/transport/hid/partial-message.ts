import { type ContinuationPacket, type FirstPacket, longestMessage } from "./packets.ts";

/** A message as its packets come in. */
export class PartialMessage {
  readonly command: number;
  readonly #bytes: Uint8Array;
  #filled = 0;
  #sequence = 0;

  private constructor(command: number, length: number) {
    this.command = command;
    this.#bytes = new Uint8Array(length);
  }

  /** @returns `null` when it claims more than a message can have */
  static begin(first: FirstPacket): PartialMessage | null {
    if (first.length > longestMessage) return null;
    const message = new PartialMessage(first.command, first.length);
    message.#fill(first.data);
    return message;
  }

  /** Takes the next packet. @returns false when its number is not the one that must follow */
  add(next: ContinuationPacket): boolean {
    if (next.sequence !== this.#sequence) return false;
    this.#sequence++;
    this.#fill(next.data);
    return true;
  }

  /** The number the next packet must bear. */
  get awaited(): number {
    return this.#sequence;
  }

  /** The whole message, or `null` while packets are missing. */
  get complete(): Uint8Array | null {
    return this.#filled === this.#bytes.length ? this.#bytes : null;
  }

  #fill(data: Uint8Array): void {
    const part = data.subarray(0, this.#bytes.length - this.#filled);
    this.#bytes.set(part, this.#filled);
    this.#filled += part.length;
  }
}
