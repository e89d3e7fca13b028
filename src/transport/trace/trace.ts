import type { ByteRange } from "../../apdu/redaction.ts";
import type { TransportFault } from "../../apdu/transport-error.ts";
import { HsmError } from "../../errors.ts";

/**
 * A recorded session: what a program and its cards said to each other. docs/trace-format.md has the file format.
 * Lines count from 1 and name the place in the file that the thing was read from; 0 where there is no file.
 */
export interface Trace {
  readonly version: 1;
  /** `card`, `recorded`, `tool` and whatever else the head of the file says. Keys are lower case. */
  readonly header: Readonly<Record<string, string>>;
  readonly connections: readonly TraceConnection[];
  /** Comment lines after the last step. */
  readonly trailer?: readonly string[] | undefined;
}

/** From one connect to its close. */
export interface TraceConnection {
  readonly line: number;
  readonly comments: readonly string[];
  /** Where the card was, as {@link CardChannel.where} gave it. */
  readonly where?: string | undefined;
  /** Answer to reset at connect; empty when the trace does not tell. */
  readonly atr: Uint8Array;
  /** The connection could not be made. */
  readonly fault?: TraceFault | undefined;
  readonly steps: readonly TraceStep[];
}

export type TraceStep = ExchangeStep | ResetStep | PowerOffStep | CloseStep | FaultStep;

interface StepBase {
  readonly line: number;
  /** Comment lines above the step, without `# `. */
  readonly comments: readonly string[];
}

export interface ExchangeStep extends StepBase {
  readonly kind: "exchange";
  readonly command: MaskedBytes;
  /** What the command is in words. */
  readonly note?: string | undefined;
  readonly outcome: TraceAnswer | TraceFault;
}

/** The program reset the card (`warm`), or the card lost power and got it again (`cold`). */
export interface ResetStep extends StepBase {
  readonly kind: "reset";
  readonly power: "warm" | "cold";
  /** The new answer to reset, where it was noted. */
  readonly atr?: Uint8Array | undefined;
  readonly fault?: TraceFault | undefined;
}

export interface PowerOffStep extends StepBase {
  readonly kind: "power-off";
}

export interface CloseStep extends StepBase {
  readonly kind: "close";
  readonly fault?: TraceFault | undefined;
}

/** A fault that belongs to no command of the trace: whatever is asked next ends in it. */
export interface FaultStep extends StepBase {
  readonly kind: "fault";
  readonly fault: TraceFault;
}

export interface TraceAnswer {
  readonly kind: "answer";
  readonly line: number;
  readonly bytes: MaskedBytes;
  readonly note?: string | undefined;
}

/** A TransportError as far as a trace keeps it. */
export interface TraceFault {
  readonly kind: "fault";
  readonly line: number;
  readonly fault: TransportFault;
  readonly message: string;
  readonly advice?: string | undefined;
  readonly layer?: string | undefined;
  readonly token?: string | undefined;
  readonly attempts?: number | undefined;
  /** The ATR after the fault, where the channel connected again by itself (CARD_RESET). */
  readonly atr?: Uint8Array | undefined;
}

/** Bytes of which some are not known to the trace: these are 0 in `bytes` and `**` in the file. */
export interface MaskedBytes {
  readonly bytes: Uint8Array;
  /** In order, without overlap, none empty. */
  readonly masked: readonly ByteRange[];
}

export function unmasked(bytes: Uint8Array): MaskedBytes {
  return { bytes, masked: [] };
}

/** One number for each byte, 1 where it is masked. */
export function maskFlags(value: MaskedBytes): Uint8Array {
  const flags = new Uint8Array(value.bytes.length);
  for (const { start, end } of value.masked) flags.fill(1, start, end);
  return flags;
}

/** How many bytes are masked. */
export function maskedCount(value: MaskedBytes): number {
  return value.masked.reduce((sum, range) => sum + range.end - range.start, 0);
}

/** A file that is no trace: exit 2, nothing was sent to anything. */
export function traceInvalid(name: string, line: number | null, problem: string, advice?: string): HsmError {
  const place = line === null ? "" : `, line ${line}`;
  return new HsmError("TRACE_INVALID", "usage", `trace ${name}${place}: ${problem}`, {
    advice,
    details: line === null ? { trace: name } : { trace: name, line },
  });
}
