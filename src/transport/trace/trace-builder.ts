import { fromHex } from "../../bytes/hex.ts";
import { faultOfWords } from "./fault-words.ts";
import { type BytesLine, maxBytes, nothingSign, readBytesLine, toMaskedBytes } from "./masked-hex.ts";
import {
  type Trace,
  type TraceAnswer,
  type TraceConnection,
  type TraceFault,
  type TraceStep,
  traceInvalid,
} from "./trace.ts";

/** What one line of a trace file is. */
export type TraceItem =
  | { readonly kind: "blank" }
  | { readonly kind: "comment" | "continuation" | "event"; readonly text: string }
  | { readonly kind: "bytes"; readonly sign: ">" | "<"; readonly text: string };

type Open<T> = { -readonly [K in keyof T]: T[K] };
type OpenConnection = Omit<Open<TraceConnection>, "steps"> & { steps: Open<TraceStep>[] };

/** Bytes that go on in the next line. */
interface Unfinished {
  readonly sign: ">" | "<";
  readonly line: number;
  readonly bytes: (number | null)[];
}

/** Puts the lines of a trace file together, in order, and refuses what does not belong. */
export class TraceBuilder {
  readonly #name: string;
  readonly #header = new Map<string, string>();
  readonly #connections: OpenConnection[] = [];
  #current: OpenConnection | undefined;
  #comments: string[] = [];
  #unfinished: Unfinished | undefined;
  /** A command that waits for its answer. */
  #command: Pick<Open<Extract<TraceStep, { kind: "exchange" }>>, "line" | "comments" | "command" | "note"> | undefined;
  /** What an `! atr` line speaks of. */
  #powered: { atr?: Uint8Array | undefined } | undefined;
  /** What a fault line speaks of; `undefined`: of nothing in particular. */
  #faultable: { fault?: TraceFault | undefined } | undefined;
  /** What an indented `advice: …` line speaks of. */
  #detailed: Open<TraceFault> | undefined;

  constructor(name: string) {
    this.#name = name;
  }

  header(line: number, key: string, value: string): void {
    if (this.#header.has(key)) this.#refuse(line, `the head has \`${key}\` twice`);
    this.#header.set(key, value);
  }

  add(line: number, item: TraceItem): void {
    if (this.#unfinished !== undefined && item.kind !== "continuation") {
      this.#refuse(line, `line ${line - 1} ends in \`\\\`, so this one must begin with a blank and go on with bytes`);
    }
    switch (item.kind) {
      case "blank":
        break;
      case "comment":
        this.#comments.push(item.text);
        break;
      case "continuation":
        this.#continue(line, item.text);
        break;
      case "event":
        this.#detailed = undefined;
        this.#event(line, item.text);
        break;
      case "bytes":
        this.#detailed = undefined;
        if (item.sign === ">") this.#noOpenCommand(line);
        else if (this.#command === undefined) this.#refuse(line, "an answer without a command before it");
        this.#bytes({ sign: item.sign, line, bytes: [] }, line, item.text);
        break;
    }
  }

  finish(lastLine: number): Trace {
    if (this.#unfinished !== undefined) this.#refuse(lastLine, "ends in `\\`, but the trace ends here: it is cut off");
    if (this.#command !== undefined) {
      this.#refuse(this.#command.line, "the trace ends early: this command has neither answer nor fault");
    }
    return {
      version: 1,
      header: Object.fromEntries(this.#header),
      connections: this.#connections as readonly TraceConnection[],
      trailer: this.#comments.length === 0 ? undefined : this.#comments,
    };
  }

  #continue(line: number, text: string): void {
    if (this.#unfinished !== undefined) this.#bytes(this.#unfinished, line, text);
    else this.#detail(line, text);
  }

  #detail(line: number, text: string): void {
    const detail = /^(advice|layer|token|attempts): (.+)$/.exec(text);
    const fault = this.#detailed;
    if (detail === null || fault === undefined) {
      this.#refuse(
        line,
        "an indented line goes on with bytes after `\\`, or tells advice, layer, token or attempts of a fault",
      );
    }
    const [, key, value] = detail as unknown as [string, "advice" | "layer" | "token" | "attempts", string];
    if (key !== "attempts") fault[key] = value;
    else if (/^[1-9][0-9]{0,8}$/.test(value)) fault.attempts = Number(value);
    else this.#refuse(line, "attempts is not a number");
  }

  #bytes(unfinished: Unfinished, line: number, text: string): void {
    const read: BytesLine = readBytesLine(text);
    if ("problem" in read) this.#refuse(line, read.problem);
    const bytes = unfinished.bytes;
    for (const value of read.bytes) bytes.push(value);
    if (bytes.length > maxBytes) this.#refuse(line, `more than ${maxBytes} bytes, no APDU is so long`);
    this.#unfinished = read.more ? unfinished : undefined;
    if (read.more) return;
    const value = toMaskedBytes(bytes);
    if (unfinished.sign === ">") {
      this.#command = { line: unfinished.line, comments: this.#takeComments(), command: value, note: read.note };
      return;
    }
    this.#answered({ kind: "answer", line: unfinished.line, bytes: value, note: read.note });
  }

  #answered(outcome: TraceAnswer | TraceFault): void {
    const command = this.#command;
    if (command === undefined) return;
    this.#command = undefined;
    this.#connection(command.line).steps.push({ kind: "exchange", ...command, outcome });
    this.#powered = outcome.kind === "fault" ? outcome : undefined;
    this.#faultable = undefined;
  }

  #event(line: number, text: string): void {
    const fault = /^([a-z ]+?)(?:(?: {2}|\t| \t)\s*(.*))?$/.exec(text);
    const code = fault === null ? undefined : faultOfWords(fault[1] as string);
    if (code !== undefined) {
      this.#fault({ kind: "fault", line, fault: code, message: fault?.[2] ?? "" });
      return;
    }
    this.#noOpenCommand(line);
    const word = text.split(/\s/, 1)[0] as string;
    const argument = text.slice(word.length).trim();
    if (word === "atr") this.#atr(line, argument);
    else if (word === "connect") this.#connect(line, argument);
    else if (word === "connection") this.#switch(line, argument);
    else this.#stepEvent(line, text);
  }

  #stepEvent(line: number, text: string): void {
    const base = { line, comments: this.#takeComments() };
    this.#faultable = undefined;
    this.#powered = undefined;
    if (text === "reset" || text === "power on") {
      const step: TraceStep = { kind: "reset", power: text === "reset" ? "warm" : "cold", ...base };
      this.#connection(line).steps.push(step);
      this.#powered = step;
      this.#faultable = step;
    } else if (text === "close") {
      const step: TraceStep = { kind: "close", ...base };
      this.#connection(line).steps.push(step);
      this.#faultable = step;
    } else if (text === "power off") {
      this.#connection(line).steps.push({ kind: "power-off", ...base });
    } else {
      this.#refuse(line, "not an event of this version (see docs/trace-format.md)");
    }
  }

  #fault(fault: Open<TraceFault>): void {
    this.#detailed = fault;
    if (this.#command !== undefined) {
      this.#answered(fault);
      return;
    }
    const target = this.#faultable;
    this.#faultable = undefined;
    this.#powered = fault;
    if (target !== undefined) target.fault = fault;
    else
      this.#connection(fault.line).steps.push({
        kind: "fault",
        line: fault.line,
        comments: this.#takeComments(),
        fault,
      });
  }

  #connect(line: number, where: string): void {
    const comments = this.#takeComments();
    const atr = new Uint8Array(0);
    this.#current = { line, comments, where: where === "" ? undefined : where, atr, steps: [] };
    this.#connections.push(this.#current);
    this.#powered = this.#current;
    this.#faultable = this.#current;
  }

  #switch(line: number, number: string): void {
    const connection = /^[1-9][0-9]{0,5}$/.test(number) ? this.#connections[Number(number) - 1] : undefined;
    if (connection === undefined) this.#refuse(line, "no such connection so far");
    this.#current = connection;
    this.#powered = undefined;
    this.#faultable = undefined;
  }

  #atr(line: number, hex: string): void {
    let atr: Uint8Array;
    try {
      atr = hex === nothingSign ? new Uint8Array(0) : fromHex(hex);
    } catch {
      this.#refuse(line, "the answer to reset is not hex");
    }
    if (atr.length > 33) this.#refuse(line, `an answer to reset has at most 33 bytes, not ${atr.length}`);
    this.#connection(line);
    if (this.#powered === undefined) {
      this.#refuse(line, "an answer to reset stands after connect, reset, power on or a fault");
    }
    this.#powered.atr = atr;
    this.#powered = undefined;
    this.#faultable = undefined;
  }

  /** A file of one connection need not say `! connect`. */
  #connection(line: number): OpenConnection {
    if (this.#current === undefined) {
      this.#current = { line, comments: [], where: undefined, atr: new Uint8Array(0), steps: [] };
      this.#connections.push(this.#current);
      this.#powered = this.#current;
    }
    return this.#current;
  }

  #takeComments(): string[] {
    const comments = this.#comments;
    this.#comments = [];
    return comments;
  }

  #noOpenCommand(line: number): void {
    const open = this.#command;
    if (open !== undefined)
      this.#refuse(line, `the command of line ${open.line} has neither answer nor fault before this`);
  }

  #refuse(line: number, problem: string): never {
    throw traceInvalid(this.#name, line, problem);
  }
}
