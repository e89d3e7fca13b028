import { utf8Bytes } from "../../bytes/bytes.ts";
import { PluginPipe } from "../../crypto/age/plugin-ipc.ts";
import type { Stanza } from "../../crypto/age/stanza.ts";
import { HsmError } from "../../errors.ts";

type PipeParts = ConstructorParameters<typeof PluginPipe>;

/** What an error is about, in the words of the protocol. */
export type Blame =
  | readonly ["identity" | "recipient", index: number]
  | readonly ["stanza", file: number, stanza: number]
  | readonly ["internal"];

/**
 * The plugin's side of the talk with age: one command at a time, each answered before the next is sent, whoever wants to
 * say something meanwhile. Standard error is seen by nobody, so everything that people are to read goes this way.
 */
export class AgeTalk {
  readonly #pipe: PluginPipe;
  #last: Promise<unknown> = Promise.resolve();
  #heard = false;

  constructor(...parts: PipeParts) {
    this.#pipe = new PluginPipe(...parts);
  }

  /** The first phase. @throws HsmError `AGE_PLUGIN_PROTOCOL` (service) */
  commands(...known: readonly string[]): Promise<Stanza[]> {
    this.#heard = true;
    return this.#pipe.readCommands(new Set(known));
  }

  /** A line for people. Not waited for: the next command goes after it. */
  say(line: string): void {
    this.#ask("msg", [], utf8Bytes(line)).catch(() => undefined);
  }

  /** @returns what was typed; `null` when age cannot ask: no terminal, or a user who said no */
  async secret(question: string): Promise<Uint8Array | null> {
    const { type, body } = await this.#ask("request-secret", [], utf8Bytes(question));
    return type === "ok" ? body : null;
  }

  async fileKey(file: number, fileKey: Uint8Array): Promise<void> {
    await this.#ask("file-key", [String(file)], fileKey);
  }

  async recipientStanza(file: number, { type, args, body }: Stanza): Promise<void> {
    await this.#ask("recipient-stanza", [String(file), type, ...args], body);
  }

  /** age gives up at the first one: only for what leaves nothing else to be tried. */
  async error(blame: Blame, error: HsmError): Promise<void> {
    await this.#ask("error", blame.map(String), utf8Bytes(inOneLine(error)));
  }

  /** Ends the talk with an error that is about nothing in it. age listens only when it has said everything itself. */
  async fault(error: HsmError): Promise<void> {
    if (!this.#heard) await this.commands();
    await this.error(["internal"], error);
    await this.done();
  }

  async done(): Promise<void> {
    await this.#last;
    await this.#pipe.send({ type: "done", args: [], body: new Uint8Array(0) });
  }

  #ask(type: string, args: readonly string[], body: Uint8Array): ReturnType<PluginPipe["ask"]> {
    const answer = this.#last.then(() => this.#pipe.ask({ type, args, body }));
    this.#last = answer;
    return answer;
  }
}

/** Message and advice: an error of the protocol is one text. */
export function inOneLine({ message, advice }: HsmError): string {
  return [message, ...(advice?.split("\n").map((line) => line.trim()) ?? [])].join("; ");
}

/** A number in a command of the protocol. @throws HsmError `AGE_PLUGIN_PROTOCOL` (service) */
export function indexIn(text: string | undefined): number {
  if (text !== undefined && /^\d{1,9}$/.test(text)) return Number(text);
  throw new HsmError("AGE_PLUGIN_PROTOCOL", "service", "the talk with age broke off: a number is missing");
}
