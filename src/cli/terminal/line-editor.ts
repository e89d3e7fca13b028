export type LineOutcome =
  | { readonly kind: "line"; readonly bytes: Uint8Array }
  | { readonly kind: "interrupted" }
  | { readonly kind: "cancelled" };

const ctrlC = 0x03;
const ctrlD = 0x04;
const backspace = 0x08;
const ctrlU = 0x15;
const escapeKey = 0x1b;
const del = 0x7f;

/** One line typed on a terminal in raw mode, byte by byte. */
export class LineEditor {
  #bytes: number[] = [];
  readonly #echo: ((text: string) => unknown) | undefined;

  /** @param echo where typed text is shown; absent: nowhere, not even its length */
  constructor(echo?: (text: string) => unknown) {
    this.#echo = echo;
  }

  /** @returns how the line ended, or `undefined` while it goes on */
  feed(chunk: Uint8Array): LineOutcome | undefined {
    for (const [at, byte] of chunk.entries()) {
      switch (byte) {
        case 0x0d:
        case 0x0a:
          return { kind: "line", bytes: Uint8Array.from(this.#bytes) };
        case ctrlC:
          return { kind: "interrupted" };
        case ctrlD:
          return { kind: "cancelled" };
        case escapeKey:
          // A lone Escape cancels; an arrow or function key comes as Escape and more, and means nothing here.
          if (chunk.length === at + 1) return { kind: "cancelled" };
          return undefined;
        case backspace:
        case del:
          this.#erase();
          break;
        case ctrlU:
          while (this.#bytes.length > 0) this.#erase();
          break;
        default:
          if (byte >= 0x20) this.#bytes.push(byte);
      }
    }
    this.#show();
    return undefined;
  }

  #shown = 0;

  /** Shows the characters that are complete. */
  #show(): void {
    if (this.#echo === undefined || this.#shown >= this.#bytes.length) return;
    this.#echo(new TextDecoder().decode(Uint8Array.from(this.#bytes.slice(this.#shown))));
    this.#shown = this.#bytes.length;
  }

  /** Takes the last character away, which in UTF-8 may be several bytes. */
  #erase(): void {
    if (this.#bytes.length === 0) return;
    this.#show();
    let byte = this.#bytes.pop();
    while (byte !== undefined && (byte & 0xc0) === 0x80) byte = this.#bytes.pop();
    this.#shown = this.#bytes.length;
    this.#echo?.("\b \b");
  }
}
