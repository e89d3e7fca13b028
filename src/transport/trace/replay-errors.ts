import { toHex } from "../../bytes/hex.ts";
import { HsmError } from "../../errors.ts";
import { maskedHex, maskSign } from "./masked-hex.ts";
import {
  type ExchangeStep,
  type MaskedBytes,
  maskedCount,
  maskFlags,
  type TraceConnection,
  type TraceStep,
  unmasked,
} from "./trace.ts";

const headerBytes = 4;
/** More of a command is not printed. */
const shownBytes = 48;

/** The program does something else than the trace tells. */
export function otherCommand(name: string, step: TraceStep, got: string, gotLength = 0): HsmError {
  const line = step.line;
  const expected = nameOfStep(step);
  const secretOfOtherLength =
    step.kind === "exchange" && step.command.masked.length > 0 && gotLength !== step.command.bytes.length;
  return new HsmError(
    "TRACE_OTHER_COMMAND",
    "check-failed",
    `trace ${name}, line ${line}: other command: expected ${expected}, got ${got}`,
    {
      advice: secretOfOtherLength
        ? "the trace has a secret in this place: any value will do, but of the same length as when this was recorded"
        : "the program asks for something else than when this was recorded: use the same command line, or record again",
      details: { trace: name, line, expected, got },
    },
  );
}

export function traceEnded(name: string, line: number, where: string, got: string): HsmError {
  return new HsmError("TRACE_ENDED", "check-failed", `trace ${name}, line ${line}: ${where}, got ${got}`, {
    advice: "the program asks for more than when this was recorded: use the same command line, or record again",
    details: { trace: name, line, got },
  });
}

export function notUsedUp(name: string, line: number, next: string, more: number): HsmError {
  const others = more === 0 ? "" : `, nor ${more} more`;
  return new HsmError(
    "TRACE_NOT_USED_UP",
    "check-failed",
    `trace ${name}, line ${line}: not used up: ${next} was never asked for${others}`,
    {
      advice: "the program did less than when this was recorded: use the same command line, or record again",
      details: { trace: name, line, more },
    },
  );
}

/** The answer holds bytes that the recorder left out, and nobody can make them up. */
export function answerRedacted(name: string, line: number, step: ExchangeStep, answer: MaskedBytes): HsmError {
  const count = maskedCount(answer);
  return new HsmError(
    "TRACE_ANSWER_REDACTED",
    "check-failed",
    `trace ${name}, line ${line}: the answer to ${titleOf(step)} was secret, ${count} of its bytes were not recorded`,
    { advice: "this needs a token: secrets never get into a trace", details: { trace: name, line, count } },
  );
}

export function nameOfStep(step: TraceStep): string {
  switch (step.kind) {
    case "exchange":
      return titleOf(step);
    case "reset":
      return step.power === "warm" ? "a reset" : "a power-on";
    case "power-off":
      return "a loss of power";
    case "close":
      return "the end of the connection";
    case "fault":
      return `the fault ${step.fault.fault}`;
  }
}

export function nameOfConnection(connection: TraceConnection, number: number): string {
  return `connection ${number}${connection.where === undefined ? "" : ` (${connection.where})`}`;
}

/** The command as the file has it; it is for the reader of that file. */
export function titleOf(step: ExchangeStep): string {
  const note = step.note === undefined ? "" : ` (${step.note})`;
  return `${cut(step.command)}${note}`;
}

/**
 * What the program sent, for an error message, where it is not the command expected. What follows the header may be a
 * PIN: it is shown only where the trace has the very same bytes, or where this instruction never carries a secret.
 */
export function shownCommand(got: Uint8Array, expected: MaskedBytes | null): string {
  if (isHarmless(got)) return cut(unmasked(got));
  const header = toHex(got.subarray(0, headerBytes), " ");
  const sameHeader = expected !== null && expected.bytes.length === got.length && startsAlike(got, expected);
  if (!sameHeader) return `${header} … (${got.length} bytes)`;
  const flags = maskFlags(expected);
  const words = [...got].map((byte, i) => {
    if (flags[i] === 1) return maskSign;
    return byte === expected.bytes[i] ? toHex(Uint8Array.of(byte)) : "??";
  });
  return words.length <= shownBytes
    ? words.join(" ")
    : `${words.slice(0, shownBytes).join(" ")} … (${got.length} bytes)`;
}

function startsAlike(got: Uint8Array, expected: MaskedBytes): boolean {
  const flags = maskFlags(expected);
  return got.subarray(0, headerBytes).every((byte, i) => byte === expected.bytes[i] && flags[i] === 0);
}

/**
 * Commands that are shown whole: those without data, and of the interindustry class SELECT, READ BINARY, GET DATA,
 * GET CHALLENGE and GET RESPONSE (ISO 7816-4 table 4), whose data are names and offsets.
 */
function isHarmless(command: Uint8Array): boolean {
  const [cla, ins] = command;
  const bodyless =
    command.length <= headerBytes + 1 || (command.length === headerBytes + 3 && command[headerBytes] === 0);
  if (cla === undefined || ins === undefined || bodyless) return true;
  return cla === 0x00 && [0xa4, 0xb0, 0xb1, 0xca, 0xcb, 0x84, 0xc0].includes(ins);
}

function cut(value: MaskedBytes): string {
  const { bytes, masked } = value;
  if (bytes.length <= shownBytes) return maskedHex(value);
  return `${maskedHex({ bytes: bytes.subarray(0, shownBytes), masked })} … (${bytes.length} bytes)`;
}
