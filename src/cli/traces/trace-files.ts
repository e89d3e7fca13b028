import { fido2Redactor } from "../../cards/fido2/fido2-redactor.ts";
import { smartCardHsmRedactor } from "../../cards/smartcard-hsm/redactor.ts";
import {
  type LoadedTrace,
  loadAnyTrace,
  type TraceFormat,
  traceFormats,
} from "../../transport/trace/foreign/any-trace.ts";
import { NewFile } from "../../transport/trace/new-file.ts";
import { redactTrace } from "../../transport/trace/redact-trace.ts";
import { scrubTexts } from "../../transport/trace/scrub-texts.ts";
import { maskedCount, type Trace } from "../../transport/trace/trace.ts";
import { formatTrace } from "../../transport/trace/trace-file.ts";
import type { CommandContext } from "../context.ts";
import { usage } from "../failure.ts";

/** The files a `trace` command was given. @throws HsmError of kind `usage` when the number is wrong */
export function traceFiles(context: CommandContext, wanted: number | "some"): readonly string[] {
  if (context.globals.trace !== undefined) {
    throw usage(
      "OPTIONS_CONFLICT",
      "--trace records what is said to a card, and this speaks to none",
      "`--out FILE` writes a trace",
    );
  }
  const files = context.args.texts("FILE");
  if (wanted === "some" || files.length === wanted) return files;
  throw usage("ARGUMENT_UNEXPECTED", `this takes ${wanted} ${wanted === 1 ? "file" : "files"}, not ${files.length}`);
}

/** Reads a trace of any format; `--from` names it where it is given. */
export async function readTraceFile(context: CommandContext, path: string): Promise<LoadedTrace> {
  return loadAnyTrace(path, formatOption(context));
}

/** As {@link readTraceFile}, without the secrets: what is shown or compared has none. */
export async function readPublicTrace(context: CommandContext, path: string): Promise<Trace> {
  return withoutSecrets((await readTraceFile(context, path)).trace);
}

/** The trace as it may be published: bytes masked by the driver's rules, words that repeat them hidden. */
export function withoutSecrets(trace: Trace): Trace {
  return scrubTexts(
    trace,
    redactTrace(trace, () => fido2Redactor(smartCardHsmRedactor())),
  );
}

function formatOption(context: CommandContext): TraceFormat | undefined {
  const text = context.args.text("from");
  if (text === undefined) return undefined;
  const format = traceFormats.find((known) => known === text);
  if (format === undefined) throw usage("OPTION_VALUE", `--from knows ${traceFormats.join(", ")}`);
  return format;
}

export interface TraceCounts {
  readonly connections: number;
  readonly exchanges: number;
  /** Bytes that are hidden, of commands and of answers. */
  readonly maskedBytes: number;
}

export function countTrace(trace: Trace): TraceCounts {
  let exchanges = 0;
  let maskedBytes = 0;
  for (const { steps } of trace.connections) {
    for (const step of steps) {
      if (step.kind !== "exchange") continue;
      exchanges++;
      maskedBytes += maskedCount(step.command);
      if (step.outcome.kind === "answer") maskedBytes += maskedCount(step.outcome.bytes);
    }
  }
  return { connections: trace.connections.length, exchanges, maskedBytes };
}

/**
 * Writes a trace into `--out FILE`, or onto standard output (with `--json` into the document).
 * @throws HsmError `TRACE_EXISTS` (conflict) unless `--yes`, `TRACE_NOT_WRITABLE` (service)
 */
export function putTrace(context: CommandContext, trace: Trace, facts: Readonly<Record<string, unknown>>): void {
  const { args, globals, output } = context;
  const text = formatTrace(trace);
  const counts = countTrace(trace);
  const words = `${some(counts.exchanges, "exchange")} in ${some(counts.connections, "connection")}, ${some(counts.maskedBytes, "byte")} masked`;
  const path = args.text("out");
  if (path === undefined) {
    output.result({ ...facts, out: null, ...counts, trace: text }, text.replace(/\n$/, "").split("\n"));
    output.note(words);
    return;
  }
  if (globals.dryRun) {
    output.result({ ...facts, out: path, ...counts, trace: null }, [`would write ${path}: ${words}`]);
    return;
  }
  const file = new NewFile(path, globals.yes);
  file.append(text);
  file.finish();
  output.result({ ...facts, out: path, ...counts, trace: null }, [`${path}: ${words}`]);
}

function some(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? "" : "s"}`;
}
