import { decodeBase64 } from "../age/base64.ts";
import type { Stanza } from "../age/stanza.ts";
import { vaultFormatVersion } from "./names.ts";
import { headerInvalid } from "./vault-errors.ts";

/**
 * Reads the arguments of one of our own stanzas from front to back; every one has to be read.
 * @throws HsmError `VAULT_HEADER_INVALID` from every method
 */
export class StanzaFields {
  readonly #stanza: Stanza;
  #next = 0;

  /** Checks type and version. */
  constructor(stanza: Stanza, type: string) {
    this.#stanza = stanza;
    if (stanza.type !== type) throw headerInvalid(`a stanza ${shown(stanza.type)} where ${type} belongs`);
    const version = this.text("version");
    if (version !== vaultFormatVersion) throw headerInvalid(`${type} of version ${shown(version)}`);
  }

  text(what: string): string {
    const text = this.#stanza.args[this.#next++];
    if (text === undefined) throw this.invalid(`without its ${what}`);
    return text;
  }

  /** A decimal number without leading zeros, at most 65535. */
  number(what: string): number {
    const text = this.text(what);
    const value = /^(?:0|[1-9][0-9]{0,4})$/.test(text) ? Number(text) : Number.NaN;
    if (!(value <= 0xffff)) throw this.invalid(`whose ${what} is no number`);
    return value;
  }

  /** The number or text that the slot's descriptor demands here. */
  expect(what: string, wanted: number | string): void {
    const found = this.text(what);
    if (found !== String(wanted)) throw this.invalid(`with ${what} ${shown(found)}, not ${wanted}`);
  }

  bytes(what: string, length: number): Uint8Array {
    const bytes = decodeBase64(this.text(what));
    if (bytes?.length !== length) throw this.invalid(`whose ${what} is not ${length} bytes in base64`);
    return bytes;
  }

  /** Nothing may follow, and the body has this length. */
  end(bodyLength?: number): void {
    if (this.#next !== this.#stanza.args.length) throw this.invalid("with an argument too many");
    const { length } = this.#stanza.body;
    if (bodyLength !== undefined && length !== bodyLength) {
      throw this.invalid(`with a body of ${length} bytes, not ${bodyLength}`);
    }
  }

  invalid(problem: string): ReturnType<typeof headerInvalid> {
    return headerInvalid(`a stanza ${this.#stanza.type} ${problem}`);
  }
}

/** What somebody wrote into a file, cut to what fits a message. Arguments are printable ASCII already. */
function shown(text: string): string {
  return text.length <= 32 ? text : `${text.slice(0, 32)}…`;
}
