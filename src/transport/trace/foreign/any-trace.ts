import { readFile, stat } from "node:fs/promises";
import { HsmError, messageOf } from "../../../errors.ts";
import { readSharedJson } from "../foreign-json.ts";
import { type Trace, traceInvalid } from "../trace.ts";
import { parseTrace } from "../trace-file.ts";
import { readApdu4j } from "./apdu4j-dump.ts";
import { readCardpeekLog } from "./cardpeek-log.ts";
import { readLedgerRecords } from "./ledger-records.ts";
import { readOpenscLog } from "./opensc-log.ts";

const readers = {
  hsmadm: parseTrace,
  apdu4j: readApdu4j,
  ledger: readLedgerRecords,
  cardpeek: readCardpeekLog,
  opensc: readOpenscLog,
  json: readSharedJson,
} as const satisfies Record<string, (text: string, name: string) => Trace>;

/** The formats that are read: ours, and those of other programs (docs/traces.md). */
export type TraceFormat = keyof typeof readers;

export const traceFormats = Object.keys(readers) as readonly TraceFormat[];

/** Larger files are not read: 128 MiB are more than a million exchanges. */
const maxFileBytes = 128 * 1024 * 1024;
/** A format shows itself in the beginning of a file; OpenSC says a lot before its first APDU. */
const probedCharacters = 1_000_000;

export interface LoadedTrace {
  readonly trace: Trace;
  readonly format: TraceFormat;
}

/**
 * Reads a trace file of any format. What other programs recorded has its secrets in it: redact before showing anything.
 * @param format where it is known; else it is recognised
 * @throws HsmError `TRACE_NOT_FOUND`, `TRACE_INVALID` (usage)
 */
export async function loadAnyTrace(path: string, format?: TraceFormat): Promise<LoadedTrace> {
  let bytes: Uint8Array;
  try {
    const file = await stat(path);
    if (file.isDirectory()) throw traceInvalid(path, null, "this is a folder");
    if (file.size > maxFileBytes) {
      throw traceInvalid(path, null, `${file.size} bytes are more than ${maxFileBytes}: split it`);
    }
    bytes = await readFile(path);
  } catch (cause) {
    if (cause instanceof HsmError) throw cause;
    throw new HsmError("TRACE_NOT_FOUND", "usage", `the trace ${path} cannot be read: ${messageOf(cause)}`, { cause });
  }
  return readAnyTrace(new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes), path, format);
}

/**
 * The same for text.
 * @param name of the file, for errors
 */
export function readAnyTrace(text: string, name: string, format?: TraceFormat): LoadedTrace {
  if (text.trim() === "") throw traceInvalid(name, null, "the file is empty");
  if (text.includes("\u0000")) throw traceInvalid(name, null, "this is not a text file");
  const found = format ?? recogniseFormat(text);
  if (found === null) {
    const advice = `${traceFormats.join(", ")} are read; \`--from\` names one where it is not recognised`;
    throw traceInvalid(name, null, "there is no APDU in it, or it is in a format that is not known", advice);
  }
  return { trace: readers[found](text, name), format: found };
}

/** The format of a text, or `null`. */
export function recogniseFormat(text: string): TraceFormat | null {
  const head = text.slice(0, probedCharacters).replace(/^\ufeff/, "");
  if (/^# hsmadm trace /.test(head)) return "hsmadm";
  if (/^\s*[[{]/.test(head)) return "json";
  if (/^(?:.{0,400}[ \t])?(?:Outgoing|Incoming) APDU (?:data )?[([]/m.test(head)) return "opensc";
  if (/\[opensc-|: \[\S+\] ctx\.c:|sc_context_create: /.test(head)) return "opensc";
  const first = /^(?!\s*(?:#|$)).*$/m.exec(head)?.[0].trim() ?? "";
  if (first.startsWith("=>")) return "ledger";
  if (/^[CR]:[0-9A-Fa-f]/.test(first)) return "cardpeek";
  if (/^(?:.{0,40}?[AB]?(?:>>|<<) |SCardConnect\()/m.test(head)) return "apdu4j";
  return /^(?:[0-9A-Fa-f]{2}\s?)+$/.test(first) ? "apdu4j" : null;
}
