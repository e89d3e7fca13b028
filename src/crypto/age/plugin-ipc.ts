import { concat, utf8Bytes } from "../../bytes/bytes.ts";
import { HsmError } from "../../errors.ts";
import type { ByteSource } from "./chunker.ts";
import { encodeStanza, type Stanza, StanzaParser, StanzaSyntaxError } from "./stanza.ts";

/**
 * The talk between age and a plugin over standard input and output (C2SP age-plugin.md): stanzas in both directions.
 * First the client sends commands up to `done`; then the plugin sends commands and the client answers each one. Both
 * sides send words that nobody knows (grease): unknown ones are passed over here, and answered `unsupported` there.
 */
export class PluginPipe {
  readonly #lines: AsyncGenerator<string>;
  readonly #write: (bytes: Uint8Array) => Promise<void> | void;

  constructor(input: ByteSource, write: (bytes: Uint8Array) => Promise<void> | void) {
    this.#lines = linesOf(input);
    this.#write = write;
  }

  /**
   * The next stanza, or `null` when the client has closed its end between two of them.
   * @throws HsmError `AGE_PLUGIN_PROTOCOL` (service)
   */
  async read(): Promise<Stanza | null> {
    const parser = new StanzaParser();
    for (;;) {
      const line = await this.#lines.next();
      if (line.done === true) {
        if (parser.idle) return null;
        throw broken("it ended within a stanza");
      }
      try {
        const stanza = parser.line(line.value);
        if (stanza !== undefined) return stanza;
      } catch (error) {
        if (error instanceof StanzaSyntaxError) throw broken(error.message, error);
        throw error;
      }
    }
  }

  async send(stanza: Stanza): Promise<void> {
    await this.#write(utf8Bytes(encodeStanza(stanza)));
  }

  /**
   * The client's first phase: its commands of these types, in their order, up to `done`.
   * @throws HsmError `AGE_PLUGIN_PROTOCOL` (service) when it ends without `done`
   */
  async readCommands(known: ReadonlySet<string>): Promise<Stanza[]> {
    const commands: Stanza[] = [];
    for (;;) {
      const stanza = await this.read();
      if (stanza === null) throw broken("it ended before `done`");
      if (stanza.type === "done") return commands;
      if (known.has(stanza.type)) commands.push(stanza);
    }
  }

  /**
   * One command of the second phase.
   * @returns `ok` with its arguments and body; `fail`: the client could not (no terminal, a user who said no);
   *   `unsupported`: it does not know the command
   * @throws HsmError `AGE_PLUGIN_PROTOCOL` (service) for any other answer, or none
   */
  async ask(command: Stanza): Promise<Stanza & { readonly type: PluginAnswer }> {
    await this.send(command);
    const answer = await this.read();
    if (answer === null) throw broken(`it ended before it answered \`${command.type}\``);
    const { type, args, body } = answer;
    if (!isAnswer(type)) throw broken(`it answered \`${command.type}\` with \`${type.slice(0, 40)}\``);
    return { type, args, body };
  }
}

export type PluginAnswer = "ok" | "fail" | "unsupported";

function isAnswer(type: string): type is PluginAnswer {
  return type === "ok" || type === "fail" || type === "unsupported";
}

/** Longest line; a client sends stanzas of files, and a file's stanza may have long arguments. */
const maxLineBytes = 1024 * 1024;
const lineFeed = 0x0a;

async function* linesOf(input: ByteSource): AsyncGenerator<string> {
  let held: Uint8Array = new Uint8Array(0);
  for await (const piece of input) {
    let from = 0;
    for (let end = piece.indexOf(lineFeed); end >= 0; end = piece.indexOf(lineFeed, from)) {
      yield asText(concat(held, piece.subarray(from, end)));
      held = new Uint8Array(0);
      from = end + 1;
    }
    held = concat(held, piece.subarray(from));
    if (held.length > maxLineBytes) throw broken("a line of it does not end");
  }
  if (held.length > 0) throw broken("it ended within a line");
}

function asText(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return text;
}

function broken(problem: string, cause?: unknown): HsmError {
  return new HsmError("AGE_PLUGIN_PROTOCOL", "service", `the talk with age broke off: ${problem}`, {
    advice: "this program is started by age; call age with `-j hsmadm` or an identity of hsmadm",
    cause,
  });
}
