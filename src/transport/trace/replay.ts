import type { CardChannel } from "../../apdu/channel.ts";
import { oneAtATime } from "../../apdu/one-at-a-time.ts";
import type { TransportError } from "../../apdu/transport-error.ts";
import type { HsmError } from "../../errors.ts";
import { errorOf } from "./fault-words.ts";
import {
  answerRedacted,
  nameOfConnection,
  nameOfStep,
  notUsedUp,
  otherCommand,
  shownCommand,
  traceEnded,
} from "./replay-errors.ts";
import {
  type ExchangeStep,
  type MaskedBytes,
  maskedCount,
  maskFlags,
  type Trace,
  type TraceConnection,
  type TraceFault,
  type TraceStep,
} from "./trace.ts";
import { parseTrace } from "./trace-file.ts";

/** A recording that answers in place of cards, as long as it is asked exactly what was asked when it was made. */
export interface Replay {
  /** How many connections the trace has. */
  readonly connections: number;
  /**
   * The next connection of the trace.
   * @throws TransportError when the connection failed at the time
   * @throws HsmError `TRACE_ENDED` when the trace has no more
   */
  connect(): CardChannel;
  /**
   * To be called when the program is done. A replay that passed must have been followed to its end.
   * @throws HsmError the first disagreement of program and trace, even if somebody caught it on the way;
   *   else `TRACE_NOT_USED_UP` when something was never asked for
   */
  finish(): void;
}

/**
 * Opens a trace for replay.
 *
 * Its channels throw, besides the faults that were recorded: `TRACE_OTHER_COMMAND`, `TRACE_ENDED` and
 * `TRACE_ANSWER_REDACTED` (all check-failed). After the first of these the replay is over: every call throws it again.
 * @param trace a trace, or the text of a trace file
 * @param name of the file, for errors and for {@link CardChannel.where}
 * @throws HsmError `TRACE_INVALID`
 */
export function openReplay(trace: string | Trace, name: string): Replay {
  const { connections } = typeof trace === "string" ? parseTrace(trace, name) : trace;
  const session = new ReplaySession(name);
  const opened: ReplayConnection[] = [];
  return {
    connections: connections.length,
    connect() {
      session.stopIfFailed();
      const connection = connections[opened.length];
      if (connection === undefined) {
        const line = lastLine(connections.at(-1));
        const where = `the trace has ${connections.length} connection${connections.length === 1 ? "" : "s"}`;
        throw session.fail(traceEnded(name, line, where, "one more connect"));
      }
      const replayed = new ReplayConnection(session, connection);
      opened.push(replayed);
      if (connection.fault !== undefined) throw errorOf(connection.fault);
      return oneAtATime(replayed);
    },
    finish() {
      session.stopIfFailed();
      for (const connection of opened) connection.finish();
      const unused = connections[opened.length];
      if (unused !== undefined) {
        const next = nameOfConnection(unused, opened.length + 1);
        throw session.fail(notUsedUp(name, unused.line, next, connections.length - opened.length - 1));
      }
    },
  };
}

/** Keeps the first disagreement, so that a program that swallows errors does not pass. */
class ReplaySession {
  readonly name: string;
  #failure: HsmError | undefined;

  constructor(name: string) {
    this.name = name;
  }

  fail(error: HsmError): HsmError {
    this.#failure ??= error;
    return this.#failure;
  }

  stopIfFailed(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }
}

class ReplayConnection implements CardChannel {
  readonly where: string;
  readonly #session: ReplaySession;
  readonly #connection: TraceConnection;
  #atr: Uint8Array;
  #next = 0;
  /** The timeout that the step before ended in. */
  #timeout: TraceFault | undefined;

  constructor(session: ReplaySession, connection: TraceConnection) {
    this.#session = session;
    this.#connection = connection;
    this.#atr = connection.atr;
    this.where = `trace:${session.name}`;
  }

  get atr(): Uint8Array {
    return this.#atr;
  }

  async transceive(command: Uint8Array): Promise<Uint8Array> {
    this.#session.stopIfFailed();
    const step = this.#take(shownCommand(command, expectedCommand(this.#peek())), (next) => next.kind === "exchange");
    if (step.kind === "fault") throw this.#faulted(step.fault);
    const { outcome, command: expected } = step as ExchangeStep;
    if (!matches(command, expected)) {
      this.#next--;
      throw this.#session.fail(otherCommand(this.#session.name, step, shownCommand(command, expected), command.length));
    }
    if (outcome.kind === "fault") throw this.#faulted(outcome);
    if (maskedCount(outcome.bytes) > 0) {
      const { name } = this.#session;
      throw this.#session.fail(answerRedacted(name, outcome.line, step as ExchangeStep, outcome.bytes));
    }
    return outcome.bytes.bytes.slice();
  }

  async reset(): Promise<void> {
    this.#session.stopIfFailed();
    if (this.#peek()?.kind === "power-off") this.#next++;
    const step = this.#take("a reset", (next) => next.kind === "reset");
    if (step.kind === "fault") throw this.#faulted(step.fault);
    if (step.kind !== "reset") return;
    if (step.atr !== undefined) this.#atr = step.atr;
    if (step.fault !== undefined) throw this.#faulted(step.fault);
  }

  /** Never complains of steps left: it stands in `finally`, and {@link finish} tells of them. */
  async close(): Promise<void> {
    if (this.#peek()?.kind === "power-off") this.#next++;
    const step = this.#peek();
    if (step?.kind !== "close") return;
    this.#next++;
    if (step.fault !== undefined) throw this.#faulted(step.fault);
  }

  finish(): void {
    const rest = this.#connection.steps.slice(this.#next).filter((step) => !isEnd(step));
    const [first] = rest;
    if (first === undefined) return;
    throw this.#session.fail(notUsedUp(this.#session.name, first.line, nameOfStep(first), rest.length - 1));
  }

  #peek(): TraceStep | undefined {
    return this.#connection.steps[this.#next];
  }

  /** The next step when it is one that fits, or a fault, which fits everything. */
  #take(got: string, fits: (step: TraceStep) => boolean): TraceStep {
    const step = this.#peek();
    if (step === undefined || step.kind === "close") {
      // Deadlines stand above the recorder. After one ran out nothing reaches it, whatever the program still asks.
      if (this.#timeout !== undefined) throw errorOf(this.#timeout);
      const line = step?.line ?? lastLine(this.#connection);
      throw this.#session.fail(traceEnded(this.#session.name, line, "the trace ends early: nothing follows here", got));
    }
    if (step.kind !== "fault" && !fits(step)) throw this.#session.fail(otherCommand(this.#session.name, step, got));
    this.#timeout = undefined;
    this.#next++;
    return step;
  }

  #faulted(fault: TraceFault): TransportError {
    if (fault.fault === "TIMEOUT") this.#timeout = fault;
    if (fault.atr !== undefined) this.#atr = fault.atr;
    return errorOf(fault);
  }
}

function isEnd(step: TraceStep): boolean {
  return step.kind === "close" || step.kind === "power-off";
}

function expectedCommand(step: TraceStep | undefined): MaskedBytes | null {
  return step?.kind === "exchange" ? step.command : null;
}

function matches(command: Uint8Array, expected: MaskedBytes): boolean {
  if (command.length !== expected.bytes.length) return false;
  const flags = maskFlags(expected);
  return command.every((byte, i) => byte === expected.bytes[i] || flags[i] === 1);
}

/** Where a connection ends in the file. */
function lastLine(connection: TraceConnection | undefined): number {
  const last = connection?.steps.at(-1);
  if (last === undefined) return connection?.line ?? 1;
  return last.kind === "exchange" ? last.outcome.line : last.line;
}
