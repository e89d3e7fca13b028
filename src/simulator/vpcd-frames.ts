import { concat } from "../bytes/bytes.ts";

/** Messages of vpcd: two bytes of length, most significant first, then as many bytes. One byte alone is for the reader. */

export const vpcdControl = { powerOff: 0x00, powerOn: 0x01, reset: 0x02, getAtr: 0x04 } as const;

export type VpcdMessage =
  | { readonly kind: "control"; readonly code: number }
  | { readonly kind: "command"; readonly apdu: Uint8Array };

export function encodeFrame(bytes: Uint8Array): Uint8Array {
  if (bytes.length > 0xffff) throw new RangeError(`${bytes.length} bytes do not fit into a vpcd message`);
  return concat(Uint8Array.of(bytes.length >> 8, bytes.length & 0xff), bytes);
}

/** Cuts a byte stream into messages; TCP may break it anywhere. */
export class FrameReader {
  #buffer: Uint8Array = new Uint8Array(0);

  /**
   * Takes more bytes.
   * @returns the messages that are complete now
   * @throws RangeError for an empty message: no vpcd sends one, the other end is something else
   */
  push(bytes: Uint8Array): VpcdMessage[] {
    this.#buffer = concat(this.#buffer, bytes);
    const messages: VpcdMessage[] = [];
    for (let frame = this.#next(); frame !== null; frame = this.#next()) messages.push(messageOf(frame));
    return messages;
  }

  #next(): Uint8Array | null {
    const [high, low] = this.#buffer;
    if (high === undefined || low === undefined) return null;
    const end = 2 + high * 256 + low;
    if (end === 2) throw new RangeError("an empty message: not vpcd");
    if (this.#buffer.length < end) return null;
    const frame = this.#buffer.slice(2, end);
    this.#buffer = this.#buffer.slice(end);
    return frame;
  }
}

function messageOf(frame: Uint8Array): VpcdMessage {
  const [code] = frame;
  return frame.length === 1 && code !== undefined ? { kind: "control", code } : { kind: "command", apdu: frame };
}
