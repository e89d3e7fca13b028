import type { TransportFault } from "../../../apdu/transport-error.ts";
import { fromHex } from "../../../bytes/hex.ts";
import { maxBytes } from "../masked-hex.ts";
import { type Trace, type TraceConnection, type TraceStep, traceInvalid, unmasked } from "../trace.ts";

type OpenConnection = Omit<TraceConnection, "steps" | "atr"> & { atr: Uint8Array; steps: TraceStep[] };

interface OpenCommand {
  readonly connection: OpenConnection;
  readonly line: number;
  readonly bytes: Uint8Array;
}

const maxAtrBytes = 33;

/**
 * Puts together what another program's log says. Only bytes, answers to reset and the names of readers and programs are
 * taken over: the other words of a log are nobody's to vouch for, and may hold a PIN.
 */
export class ForeignBuilder {
  readonly name: string;
  readonly header: Record<string, string> = {};
  readonly #connections: OpenConnection[] = [];
  #current: OpenConnection | undefined;
  #command: OpenCommand | undefined;
  #exchanges = 0;

  constructor(name: string) {
    this.name = name;
  }

  /** Whether a command waits for its answer. */
  get waiting(): boolean {
    return this.#command !== undefined;
  }

  /** Whether anything was said in the connection so far. */
  get silent(): boolean {
    return (this.#current?.steps.length ?? 0) === 0;
  }

  connect(line: number, where?: string, atr: Uint8Array = new Uint8Array(0)): void {
    this.#lost();
    this.#current = { line, comments: [], where, atr, steps: [] };
    this.#connections.push(this.#current);
  }

  /** The answer to reset of the connection, where it is told after the connect. */
  atr(atr: Uint8Array): void {
    if (this.#current !== undefined && this.#current.atr.length === 0) this.#current.atr = atr;
  }

  command(line: number, bytes: Uint8Array): void {
    this.#lost();
    this.#command = { connection: this.#connection(line), line, bytes };
  }

  answer(line: number, bytes: Uint8Array): void {
    const command = this.#command ?? this.refuse(line, "an answer without a command before it");
    if (bytes.length < 2) this.refuse(line, "an answer has at least the two bytes of its status word");
    this.#finish(command, { kind: "answer", line, bytes: unmasked(bytes) });
  }

  /** No answer came to the command that waits; without one, nothing happened. */
  fault(line: number, fault: TransportFault, message: string): void {
    if (this.#command !== undefined) this.#finish(this.#command, { kind: "fault", line, fault, message });
  }

  reset(line: number, power: "warm" | "cold", atr?: Uint8Array): void {
    this.#lost();
    this.#connection(line).steps.push({ kind: "reset", power, line, comments: [], atr });
  }

  close(line: number): void {
    this.#lost();
    this.#current?.steps.push({ kind: "close", line, comments: [] });
    this.#current = undefined;
  }

  /** @throws HsmError `TRACE_INVALID` when there was no exchange at all */
  finish(): Trace {
    this.#lost();
    if (this.#exchanges === 0) this.refuse(null, "there is no APDU in it");
    // Programs connect to look who is there, too: what says nothing is left out.
    const connections = this.#connections.filter((connection) =>
      connection.steps.some((step) => step.kind !== "close"),
    );
    return { version: 1, header: this.header, connections };
  }

  /** Hex of an APDU, blanks between bytes allowed. The digits are not repeated in errors, they may be a PIN. */
  hex(line: number, text: string, what: string): Uint8Array {
    if (text.length > 3 * maxBytes) this.refuse(line, `${what} is longer than any APDU`);
    try {
      return fromHex(text);
    } catch {
      this.refuse(line, `${what} is not whole bytes of hex: the file is cut off or something else`);
    }
  }

  /** An answer to reset, or nothing when what stands there cannot be one. */
  readAtr(line: number, text: string): Uint8Array {
    const atr = this.hex(line, text.replaceAll(":", " "), "the answer to reset");
    if (atr.length > maxAtrBytes) this.refuse(line, `an answer to reset has at most ${maxAtrBytes} bytes`);
    return atr;
  }

  refuse(line: number | null, problem: string): never {
    throw traceInvalid(this.name, line, problem);
  }

  #finish(
    { connection, line, bytes }: OpenCommand,
    outcome: Extract<TraceStep, { kind: "exchange" }>["outcome"],
  ): void {
    this.#command = undefined;
    this.#exchanges++;
    connection.steps.push({ kind: "exchange", line, comments: [], command: unmasked(bytes), outcome });
  }

  #lost(): void {
    this.fault(this.#command?.line ?? 0, "EXCHANGE_FAILED", "the log has no answer to this command");
  }

  #connection(line: number): OpenConnection {
    if (this.#current === undefined) this.connect(line);
    return this.#current as OpenConnection;
  }
}
