import type { CardChannel, ExchangeOptions } from "../../apdu/channel.ts";
import { oneAtATime } from "../../apdu/one-at-a-time.ts";
import type { ExchangeRedactor } from "../../apdu/redaction.ts";
import { isTransportFault } from "../../apdu/transport-error.ts";
import { equal } from "../../bytes/bytes.ts";
import { faultOf } from "./fault-words.ts";
import { maskExchange } from "./mask-exchange.ts";
import { NewFile } from "./new-file.ts";
import type { TraceAnswer, TraceConnection, TraceFault, TraceStep } from "./trace.ts";
import { connectLines, headLines, stepLines } from "./trace-lines.ts";

export interface RecorderOptions {
  /** Replace a file of this name; without it an existing one is a conflict. */
  readonly overwrite?: boolean | undefined;
  /** `card`, `tool` …: lower-case keys. `recorded` is added from `now`. */
  readonly header?: Readonly<Record<string, string>> | undefined;
  /** The clock; a fixed one makes recordings repeatable. */
  readonly now?: (() => Date) | undefined;
}

/** Writes what channels say into one trace file. Secrets are wiped before anything is written or kept. */
export class TraceRecorder {
  readonly #file: NewFile;
  readonly #open = new Set<RecordedChannel>();
  #connections = 0;
  /** The connection that the last line in the file belongs to. */
  #speaking = 0;

  private constructor(file: NewFile) {
    this.#file = file;
  }

  /** @throws HsmError `TRACE_EXISTS` (conflict), `TRACE_NOT_WRITABLE` (service) */
  static async create(path: string, options: RecorderOptions = {}): Promise<TraceRecorder> {
    const recorder = new TraceRecorder(new NewFile(path, options.overwrite === true));
    const recorded = (options.now?.() ?? new Date()).toISOString().replace(/\.\d+Z$/, "Z");
    recorder.#write(headLines({ ...options.header, recorded }));
    return recorder;
  }

  /**
   * A channel that does what `channel` does and is written down. Put it next to the transport, below chaining and
   * deadlines: the trace then shows what went to the card.
   * @param redactor one for this connection alone, it follows the exchanges
   */
  record(channel: CardChannel, redactor: ExchangeRedactor): CardChannel {
    const number = this.#connect({ where: channel.where, atr: channel.atr });
    const recorded = new RecordedChannel(channel, redactor, (step) => this.#step(number, step));
    this.#open.add(recorded);
    return oneAtATime(recorded);
  }

  /** A connection that could not be made, so that it fails again in replay. */
  recordFailedConnect(where: string, error: unknown): void {
    this.#connect({ where, atr: new Uint8Array(0), fault: faultOf(error) });
  }

  /**
   * Syncs the file and gives it its name. What happens on the channels afterwards is not recorded.
   * @throws HsmError `TRACE_NOT_WRITABLE`, `TRACE_EXISTS`
   */
  async finish(): Promise<void> {
    for (const channel of this.#open) channel.giveUp();
    this.#file.finish();
  }

  /** Ends the recording without a trace. */
  async abandon(): Promise<void> {
    this.#file.abandon();
  }

  #connect(connection: Pick<TraceConnection, "where" | "atr" | "fault">): number {
    this.#connections++;
    this.#speaking = this.#connections;
    this.#write(connectLines({ comments: [], ...connection }));
    return this.#connections;
  }

  #step(connection: number, step: TraceStep): void {
    const lines = stepLines(step);
    if (this.#speaking !== connection) lines.unshift(`! connection ${connection}`);
    this.#speaking = connection;
    this.#write(lines);
  }

  #write(lines: readonly string[]): void {
    this.#file.append(lines.map((line) => `${line}\n`).join(""));
  }
}

class RecordedChannel implements CardChannel {
  readonly where: string;
  readonly #channel: CardChannel;
  readonly #redactor: ExchangeRedactor;
  readonly #write: (step: TraceStep) => void;
  /** Writes down what is under way as given up. */
  #underWay: (() => void) | undefined;
  #closed = false;

  constructor(channel: CardChannel, redactor: ExchangeRedactor, write: (step: TraceStep) => void) {
    this.where = channel.where;
    this.#channel = channel;
    this.#redactor = redactor;
    this.#write = write;
  }

  get atr(): Uint8Array {
    return this.#channel.atr;
  }

  async transceive(command: Uint8Array, options?: ExchangeOptions): Promise<Uint8Array> {
    const sent = command.slice();
    const exchanged = (response: Uint8Array, fault?: TraceFault): void => {
      const masked = maskExchange(this.#redactor, sent, response);
      const answer: TraceAnswer = { kind: "answer", line: 0, bytes: masked.response };
      this.#write({
        kind: "exchange",
        line: 0,
        comments: [],
        command: masked.command,
        note: masked.note,
        outcome: fault ?? answer,
      });
    };
    const nothing = new Uint8Array(0);
    return this.#watch(
      async () => {
        const response = await this.#channel.transceive(command, options);
        return { result: response, write: () => exchanged(response) };
      },
      (fault) => exchanged(nothing, fault),
    );
  }

  async reset(): Promise<void> {
    const step = { kind: "reset", power: "warm", line: 0, comments: [] } as const;
    await this.#watch(
      async () => {
        await this.#channel.reset();
        return { result: undefined, write: () => this.#write({ ...step, atr: this.#channel.atr }) };
      },
      (fault) => this.#write({ ...step, fault }),
    );
    this.#restartRedactor();
  }

  async close(): Promise<void> {
    this.giveUp();
    if (this.#closed) return this.#channel.close();
    this.#closed = true;
    const step = { kind: "close", line: 0, comments: [] } as const;
    try {
      await this.#channel.close();
      this.#write(step);
    } catch (error) {
      this.#write({ ...step, fault: faultOf(error) });
      throw error;
    }
  }

  /** An exchange that is still under way when the program leaves (its deadline is above us) is a timeout in the trace. */
  giveUp(): void {
    const write = this.#underWay;
    this.#underWay = undefined;
    write?.();
  }

  /** Does the work and writes it down once: when it is done, when it failed, or when it was given up before. */
  async #watch<T>(
    work: () => Promise<{ result: T; write: () => void }>,
    writeFault: (fault: TraceFault) => void,
  ): Promise<T> {
    const before = this.#channel.atr;
    const ticket = (): void => writeFault(givenUp(this.where));
    this.#underWay = ticket;
    const still = (): boolean => {
      const mine = this.#underWay === ticket;
      if (mine) this.#underWay = undefined;
      return mine;
    };
    try {
      const { result, write } = await work();
      if (still()) write();
      return result;
    } catch (error) {
      const after = this.#channel.atr;
      const fault = faultOf(error);
      if (still()) writeFault(equal(before, after) ? fault : { ...fault, atr: after });
      if (isTransportFault(error, "CARD_RESET")) this.#restartRedactor();
      throw error;
    }
  }

  #restartRedactor(): void {
    try {
      this.#redactor.restart();
    } catch {
      // A redactor that fails here is a bug, but not one that may keep the answer from the program.
    }
  }
}

function givenUp(where: string): TraceFault {
  const message = `${where} did not answer before the program gave up`;
  return { kind: "fault", line: 0, fault: "TIMEOUT", message };
}
