import { toHex } from "../../bytes/hex.ts";
import { faultWords } from "./fault-words.ts";
import { maskedHexLines, needsQuote } from "./masked-hex.ts";
import type { MaskedBytes, Trace, TraceConnection, TraceFault, TraceStep } from "./trace.ts";

/** The version this program writes and reads. */
export const traceVersion = 1;
/** Comments of commands begin here where the bytes leave room. */
const noteColumn = 44;

/** The head of a file: version and header, and a blank line. */
export function headLines(header: Trace["header"]): string[] {
  const lines = [`# hsmadm trace ${traceVersion}`];
  for (const [key, value] of Object.entries(header)) lines.push(`# ${key}: ${oneLine(value)}`.trimEnd());
  return lines;
}

/** A connection's first lines. */
export function connectLines(connection: Pick<TraceConnection, "comments" | "where" | "atr" | "fault">): string[] {
  const { comments, where, atr, fault } = connection;
  const name = oneLine(where ?? "");
  return [
    "",
    ...commentLines(comments),
    name === "" ? "! connect" : `! connect ${name}`,
    ...(fault === undefined ? (atr.length === 0 ? [] : [atrLine(atr)]) : faultLines(fault)),
  ];
}

/** All lines of a step. */
export function stepLines(step: TraceStep): string[] {
  return [...commentLines(step.comments), ...linesOf(step)];
}

function linesOf(step: TraceStep): string[] {
  switch (step.kind) {
    case "exchange": {
      const { command, note, outcome } = step;
      const answer = outcome.kind === "fault" ? faultLines(outcome) : bytesLines("<", outcome.bytes, outcome.note);
      return [...bytesLines(">", command, note), ...answer];
    }
    case "reset": {
      const event = step.power === "warm" ? "! reset" : "! power on";
      if (step.fault !== undefined) return [event, ...faultLines(step.fault)];
      return step.atr === undefined ? [event] : [event, atrLine(step.atr)];
    }
    case "power-off":
      return ["! power off"];
    case "close":
      return ["! close", ...(step.fault === undefined ? [] : faultLines(step.fault))];
    case "fault":
      return faultLines(step.fault);
  }
}

function faultLines(fault: TraceFault): string[] {
  const message = oneLine(fault.message);
  const lines = [`! ${faultWords(fault.fault)}${message === "" ? "" : `  ${message}`}`];
  const details = { advice: fault.advice, layer: fault.layer, token: fault.token, attempts: fault.attempts };
  for (const [key, value] of Object.entries(details)) {
    const text = oneLine(String(value ?? ""));
    if (text !== "") lines.push(`  ${key}: ${text}`);
  }
  if (fault.atr !== undefined) lines.push(atrLine(fault.atr));
  return lines;
}

function bytesLines(sign: ">" | "<", value: MaskedBytes, note: string | undefined): string[] {
  const text = oneLine(note ?? "");
  const lines = maskedHexLines(value).map((line, i) => `${i === 0 ? sign : " "} ${line}`);
  const last = lines.length - 1;
  return lines.map((line, i) => {
    if (i < last) return `${line} \\`;
    if (text === "") return line;
    const quoted = needsQuote(text) ? `# ${text}` : text;
    return `${line.padEnd(noteColumn - 2)}  ${quoted}`;
  });
}

function atrLine(atr: Uint8Array): string {
  return atr.length === 0 ? "! atr --" : `! atr ${toHex(atr, " ")}`;
}

export function commentLines(comments: readonly string[]): string[] {
  return comments.map((comment) => `# ${oneLine(comment, false)}`.trimEnd());
}

/** No text may begin a line of its own: control characters and Unicode's line ends become blanks. */
export function oneLine(text: string, trimStart = true): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what this is about
  const line = text.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g, " ").trimEnd();
  return trimStart ? line.trimStart() : line;
}
