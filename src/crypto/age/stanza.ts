import { concat } from "../../bytes/bytes.ts";
import { HsmError } from "../../errors.ts";
import { decodeBase64, encodeBase64 } from "./base64.ts";

/** One recipient stanza of an age header, and one message of the plugin protocol, which shares the text form. */
export interface Stanza {
  /** The first argument: `X25519`, `p256tag`, `hsmadm/slot`. */
  readonly type: string;
  /** The other arguments: printable ASCII without spaces, none of them empty. */
  readonly args: readonly string[];
  readonly body: Uint8Array;
}

/** Bytes of a full body line; its base64 has 64 columns. */
const lineBytes = 48;
const lineColumns = 64;

/**
 * The text of a stanza: `-> type args…`, the body in lines of 64 columns, and a shorter last line, be it empty.
 * @throws HsmError `AGE_STANZA_INVALID` (unexpected) for a type or argument that cannot stand in a header
 */
export function encodeStanza(stanza: Stanza): string {
  const opening = [stanza.type, ...stanza.args];
  if (!opening.every(isArgument)) {
    throw new HsmError("AGE_STANZA_INVALID", "unexpected", "stanza arguments are printable ASCII without spaces");
  }
  let text = `-> ${opening.join(" ")}\n`;
  // A body that fills its last line is followed by an empty one: the short line is what ends a stanza.
  for (let at = 0; at <= stanza.body.length; at += lineBytes) {
    text += `${encodeBase64(stanza.body.subarray(at, at + lineBytes))}\n`;
  }
  return text;
}

function isArgument(text: string): boolean {
  return /^[\x21-\x7e]+$/.test(text);
}

/** What is wrong with a line, for whoever reads headers or messages to wrap in an error of its own. */
export class StanzaSyntaxError extends Error {
  override name = "StanzaSyntaxError";
}

/** Puts stanzas together from lines, one at a time. */
export class StanzaParser {
  #opening: readonly [string, ...string[]] | undefined;
  #body: Uint8Array[] = [];

  /** Whether the next line begins a stanza. */
  get idle(): boolean {
    return this.#opening === undefined;
  }

  /**
   * @param line without its line feed
   * @returns the stanza that this line ends, if it does
   * @throws StanzaSyntaxError
   */
  line(line: string): Stanza | undefined {
    if (this.#opening === undefined) {
      this.#opening = opening(line);
      return undefined;
    }
    if (line.length > lineColumns) throw new StanzaSyntaxError(`a stanza's line has more than ${lineColumns} columns`);
    const bytes = decodeBase64(line);
    if (bytes === null) throw new StanzaSyntaxError("a line of a stanza's body is not canonical base64");
    this.#body.push(bytes);
    if (line.length === lineColumns) return undefined;
    const [type, ...args] = this.#opening;
    const stanza = { type, args, body: concat(...this.#body) };
    this.#opening = undefined;
    this.#body = [];
    return stanza;
  }
}

function opening(line: string): readonly [string, ...string[]] {
  const [arrow, type, ...args] = line.split(" ");
  if (arrow !== "->") throw new StanzaSyntaxError("a line is neither a stanza's first nor the header's last");
  if (type === undefined) throw new StanzaSyntaxError("a stanza without a type");
  if (![type, ...args].every(isArgument)) {
    throw new StanzaSyntaxError("a stanza's arguments are not printable ASCII with single spaces between");
  }
  return [type, ...args];
}
