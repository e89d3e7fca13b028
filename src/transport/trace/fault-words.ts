import { TransportError, type TransportFault, transportFaults } from "../../apdu/transport-error.ts";
import { HsmError } from "../../errors.ts";
import type { TraceFault } from "./trace.ts";

/** `CARD_REMOVED` is `! card removed` in a file, and so for every fault. */
export function faultWords(fault: TransportFault): string {
  return fault.toLowerCase().replaceAll("_", " ");
}

const byWords = new Map((Object.keys(transportFaults) as TransportFault[]).map((fault) => [faultWords(fault), fault]));

/** The fault of `card removed`, or `undefined`. */
export function faultOfWords(words: string): TransportFault | undefined {
  return byWords.get(words);
}

/**
 * What a trace keeps of an error that came instead of an answer. Causes are left out: they are foreign texts of which
 * nobody has checked that they hold no secret. The same goes for errors that are not ours: only their name is kept.
 */
export function faultOf(error: unknown): TraceFault {
  if (error instanceof TransportError) {
    return {
      kind: "fault",
      line: 0,
      fault: error.code,
      message: error.message,
      advice: error.advice,
      layer: error.layer,
      token: error.token,
      attempts: error.attempts === 1 ? undefined : error.attempts,
    };
  }
  const message =
    error instanceof HsmError ? error.message : `the transport failed (${error instanceof Error ? error.name : "?"})`;
  return { kind: "fault", line: 0, fault: "EXCHANGE_FAILED", message };
}

/** The error as it was thrown when the trace was recorded. */
export function errorOf(fault: TraceFault): TransportError {
  return new TransportError(fault.fault, fault.message === "" ? faultWords(fault.fault) : fault.message, {
    advice: fault.advice,
    layer: fault.layer,
    token: fault.token,
    attempts: fault.attempts,
  });
}
