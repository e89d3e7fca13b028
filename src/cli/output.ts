import type { CliIo } from "./io.ts";
import { printable } from "./terminal/printable.ts";
import { wrap } from "./terminal/wrap.ts";

export const schemaVersion = 1;

/** Facts of one command, as `--json` prints them. Never secrets. */
export type Document = Readonly<Record<string, unknown>>;

/**
 * Where a command's words go: data to standard output, everything else to standard error.
 * The result is held back until the command is over, so that `--json` is one document even when something fails late.
 */
export class Output {
  readonly json: boolean;
  readonly quiet: boolean;
  readonly #io: CliIo;
  #result: { document: Document; lines: readonly string[] } | undefined;

  constructor(io: CliIo, options: { json: boolean; quiet: boolean }) {
    this.#io = io;
    this.json = options.json;
    this.quiet = options.quiet;
  }

  /** Width of the terminal that shows the result; unknown where it goes into a file or to another program. */
  get columns(): number | undefined {
    return columnsOf(this.#io.stdout);
  }

  /** Bytes of a file that was asked for on standard output, as they are; nothing else stands there then. */
  raw(bytes: Uint8Array): void {
    this.#io.stdout.write(bytes);
  }

  /** What the command found out, for programs and for people. The last call holds. */
  result(document: Document, lines: readonly string[]): void {
    this.#result = { document, lines };
  }

  /** Says something about the work, on standard error; not under `--quiet`. */
  note(line: string): void {
    if (!this.quiet) printLine(this.#io.stderr, line);
  }

  /** What is being done, for somebody who waits: on a terminal only. */
  progress(line: string): void {
    if (this.#io.stderr.isTTY === true) this.note(line);
  }

  /** Says something that must not be missed, on standard error. */
  warn(message: string): void {
    printLine(this.#io.stderr, `hsmadm: warning: ${message}`);
  }

  /** A line on standard error that is neither a note nor a warning: what a prompt is about, a guard's refusal. */
  say(line: string): void {
    printLine(this.#io.stderr, line);
  }

  /** Prints the result, if there is one. */
  flush(command: string, exitCode: number): void {
    if (this.#result === undefined) return;
    const { document, lines } = this.#result;
    this.#result = undefined;
    if (this.json) {
      this.document({ schemaVersion, ok: exitCode === 0, command, ...document });
      return;
    }
    for (const line of lines) printLine(this.#io.stdout, line);
  }

  /** What was found out is not printed: somebody else owns standard output, or an error takes its place. */
  discard(): void {
    this.#result = undefined;
  }

  document(document: Document): void {
    this.#io.stdout.write(`${JSON.stringify(document, null, 2)}\n`);
  }
}

/** One line, or as many as a terminal of this width needs. */
export function printLine(sink: CliIo["stdout"], line: string): void {
  for (const one of wrap(printable(line), columnsOf(sink))) sink.write(`${one}\n`);
}

function columnsOf({ isTTY, columns }: CliIo["stdout"]): number | undefined {
  return isTTY === true && columns !== undefined && columns > 0 ? columns : undefined;
}
