import fc from "fast-check";
import type { CardChannel } from "../../../src/apdu/channel.ts";
import type { ByteRange, ExchangeRedactor } from "../../../src/apdu/redaction.ts";
import { type TransportFault, transportFaults } from "../../../src/apdu/transport-error.ts";
import { fromHex } from "../../../src/bytes/hex.ts";
import { HsmError } from "../../../src/errors.ts";
import type { MaskedBytes, Trace, TraceConnection, TraceFault, TraceStep } from "../../../src/transport/trace/trace.ts";

export const atr = fromHex("3BFE1800008131FE458031815448534D31738021408107FA");
export const otherAtr = fromHex("3B8001 8081");

/** A channel whose answers a test names; `calls` shows what came. */
export function fakeChannel(
  answer: (command: Uint8Array, n: number) => Uint8Array | Promise<Uint8Array>,
  options: { where?: string; reset?: () => Promise<void>; close?: () => Promise<void> } = {},
): CardChannel & { atr: Uint8Array; calls: Uint8Array[] } {
  const calls: Uint8Array[] = [];
  return {
    atr,
    where: options.where ?? "sim:test",
    calls,
    async transceive(command) {
      calls.push(command);
      return answer(command, calls.length - 1);
    },
    async reset() {
      await options.reset?.();
    },
    async close() {
      await options.close?.();
    },
  };
}

/** Nothing is secret. */
export const openRedactor = (): ExchangeRedactor => ({
  redact: () => ({ command: [], response: [] }),
  restart: () => undefined,
});

/** The data of VERIFY is secret, as the driver's redactor has it. */
export const pinRedactor = (): ExchangeRedactor => ({
  redact: (command) => {
    const verify = command[1] === 0x20 && command.length > 5;
    const note = verify ? "VERIFY user PIN" : undefined;
    return { command: verify ? [{ start: 5, end: command.length }] : [], response: [], note };
  },
  restart: () => undefined,
});

/** The error a promise or function ends in. */
export async function errorFrom(work: () => unknown): Promise<HsmError> {
  try {
    await work();
  } catch (error) {
    if (error instanceof HsmError) return error;
    throw error;
  }
  throw new Error("no error came");
}

/** The trace without line numbers: what has to survive writing and reading. */
export function withoutLines(value: unknown): unknown {
  if (value instanceof Uint8Array) return [...value];
  if (Array.isArray(value)) return value.map(withoutLines);
  if (typeof value !== "object" || value === null) return value;
  const kept = Object.entries(value).filter(([key, entry]) => key !== "line" && entry !== undefined);
  return Object.fromEntries(kept.map(([key, entry]) => [key, withoutLines(entry)]));
}

// --- arbitrary traces ---

/** Any text a person or a program could put on one line, without blanks at its ends. */
export const lineText = fc
  .string({
    unit: fc.oneof(fc.constantFrom(..."AB09# \\*-<>!:"), fc.string({ minLength: 1, maxLength: 1, unit: "grapheme" })),
  })
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they cannot be part of a line
  .map((text) => text.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029\ufffd]/g, "").trim());
const optionalText = fc.option(
  lineText.filter((text) => text !== ""),
  { nil: undefined },
);
const bytes = (maxLength: number) => fc.uint8Array({ maxLength });

export const maskedBytes: fc.Arbitrary<MaskedBytes> = fc
  .array(fc.option(fc.nat(255), { nil: null, freq: 5 }), { maxLength: 100 })
  .map((values) => {
    const masked: ByteRange[] = [];
    values.forEach((value, i) => {
      if (value !== null) return;
      const last = masked.at(-1);
      if (last !== undefined && last.end === i) masked[masked.length - 1] = { start: last.start, end: i + 1 };
      else masked.push({ start: i, end: i + 1 });
    });
    return { bytes: Uint8Array.from(values, (value) => value ?? 0), masked };
  });

export const faultNames = Object.keys(transportFaults) as TransportFault[];
const fault: fc.Arbitrary<TraceFault> = fc.record({
  kind: fc.constant("fault" as const),
  line: fc.constant(0),
  fault: fc.constantFrom(...faultNames),
  message: lineText,
  advice: optionalText,
  layer: optionalText,
  token: optionalText,
  attempts: fc.option(fc.integer({ min: 2, max: 99 }), { nil: undefined }),
  atr: fc.option(bytes(33), { nil: undefined }),
});
const comments = fc.array(
  lineText.map((text) => text.trimEnd()),
  { maxLength: 2 },
);
const base = { line: fc.constant(0), comments };
const step: fc.Arbitrary<TraceStep> = fc.oneof(
  fc.record({
    kind: fc.constant("exchange" as const),
    ...base,
    command: maskedBytes,
    note: optionalText,
    outcome: fc.oneof(
      fc.record({ kind: fc.constant("answer" as const), line: fc.constant(0), bytes: maskedBytes, note: optionalText }),
      fault,
    ),
  }),
  fc
    .record({
      kind: fc.constant("reset" as const),
      ...base,
      power: fc.constantFrom("warm" as const, "cold" as const),
      atr: fc.option(bytes(33), { nil: undefined }),
      fault: fc.option(fault, { nil: undefined }),
    })
    .map((reset) => (reset.fault === undefined ? reset : { ...reset, atr: undefined })),
  fc.record({ kind: fc.constant("power-off" as const), ...base }),
  fc.record({ kind: fc.constant("close" as const), ...base, fault: fc.option(fault, { nil: undefined }) }),
);
const connection: fc.Arbitrary<TraceConnection> = fc
  .record({ ...base, where: optionalText, atr: bytes(33), steps: fc.array(step, { maxLength: 6 }) })
  .chain((whole) =>
    fc.oneof(
      { weight: 5, arbitrary: fc.constant(whole) },
      { weight: 1, arbitrary: fault.map((failed) => ({ ...whole, atr: new Uint8Array(0), steps: [], fault: failed })) },
    ),
  );
export const anyTrace: fc.Arbitrary<Trace> = fc.record({
  version: fc.constant(1 as const),
  header: fc.dictionary(fc.stringMatching(/^[a-z][a-z0-9-]{0,8}$/), lineText, { maxKeys: 4 }),
  connections: fc.array(connection, { maxLength: 3 }),
  trailer: fc.option(fc.array(lineText, { minLength: 1, maxLength: 2 }), { nil: undefined }),
});
