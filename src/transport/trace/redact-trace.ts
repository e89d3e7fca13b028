import type { ByteRange, ExchangeRedactor } from "../../apdu/redaction.ts";
import { maskExchange } from "./mask-exchange.ts";
import type { ExchangeStep, MaskedBytes, Trace, TraceStep } from "./trace.ts";

/**
 * The trace without its secrets, for sessions that were recorded without redaction (such as other programs' JSON).
 * What is masked already stays masked; a comment that a person wrote is kept.
 * @param redactor makes one for each connection
 */
export function redactTrace(trace: Trace, redactor: () => ExchangeRedactor): Trace {
  const connections = trace.connections.map((connection) => {
    const rules = redactor();
    return { ...connection, steps: connection.steps.map((step) => redactStep(step, rules)) };
  });
  return { ...trace, connections };
}

function redactStep(step: TraceStep, redactor: ExchangeRedactor): TraceStep {
  if (step.kind === "reset") redactor.restart();
  if (step.kind !== "exchange") return step;
  return redactExchange(step, redactor);
}

function redactExchange(step: ExchangeStep, redactor: ExchangeRedactor): ExchangeStep {
  const { outcome } = step;
  const response = outcome.kind === "answer" ? outcome.bytes : { bytes: new Uint8Array(0), masked: [] };
  const masked = maskExchange(redactor, step.command.bytes, response.bytes);
  return {
    ...step,
    command: both(masked.command, step.command.masked),
    note: step.note ?? masked.note,
    outcome: outcome.kind === "answer" ? { ...outcome, bytes: both(masked.response, response.masked) } : outcome,
  };
}

function both(value: MaskedBytes, also: readonly ByteRange[]): MaskedBytes {
  const joined: { start: number; end: number }[] = [];
  for (const range of [...value.masked, ...also].sort((a, b) => a.start - b.start)) {
    const last = joined.at(-1);
    if (last !== undefined && range.start <= last.end) last.end = Math.max(last.end, range.end);
    else joined.push({ ...range });
  }
  return { bytes: value.bytes, masked: joined };
}
