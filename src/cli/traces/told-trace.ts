import { hexNumber, toHex } from "../../bytes/hex.ts";
import { type ExchangeNarrator, Fido2Narrator } from "../../cards/fido2/fido2-narrator.ts";
import { recogniseAtr } from "../../cards/smartcard-hsm/atr.ts";
import { type Narration, Narrator } from "../../cards/smartcard-hsm/narrator.ts";
import { faultWords } from "../../transport/trace/fault-words.ts";
import type { ExchangeStep, Trace, TraceConnection, TraceFault, TraceStep } from "../../transport/trace/trace.ts";

/** One step of a trace in words. */
export type ToldStep =
  | { readonly kind: "exchange"; readonly step: ExchangeStep; readonly told: Narration }
  | { readonly kind: "event"; readonly step: TraceStep; readonly words: string };

export interface ToldConnection {
  readonly connection: TraceConnection;
  /** What the answer to reset says of the card. */
  readonly card: string | null;
  readonly steps: readonly ToldStep[];
}

/** Puts a trace into words. Hand it one without secrets. */
export function tellTrace(trace: Trace): ToldConnection[] {
  return trace.connections.map((connection) => {
    const narrator = new Fido2Narrator(new Narrator());
    const card =
      connection.atr.length === 0 ? null : (recogniseAtr(connection.atr)?.name ?? "a card that is not known");
    return { connection, card, steps: connection.steps.map((step) => tellStep(step, narrator)) };
  });
}

function tellStep(step: TraceStep, narrator: ExchangeNarrator): ToldStep {
  if (step.kind !== "exchange") {
    if (step.kind === "reset" || step.kind === "power-off") narrator.restart();
    return { kind: "event", step, words: eventWords(step) };
  }
  const { outcome } = step;
  const told = narrator.narrate({
    command: step.command.bytes,
    hidden: step.command.masked,
    answer: outcome.kind === "answer" ? outcome.bytes.bytes : null,
    answerHidden: outcome.kind === "answer" ? outcome.bytes.masked : [],
  });
  if (outcome.kind === "fault" && outcome.fault === "CARD_RESET") narrator.restart();
  return { kind: "exchange", step, told };
}

function eventWords(step: Exclude<TraceStep, { kind: "exchange" }>): string {
  switch (step.kind) {
    case "reset":
      return `${step.power === "warm" ? "the card is reset" : "the card gets power"}${afterwards(step.fault)}`;
    case "power-off":
      return "the card loses its power";
    case "close":
      return `the card is given back${afterwards(step.fault)}`;
    case "fault":
      return faultLine(step.fault);
  }
}

function afterwards(fault: TraceFault | undefined): string {
  return fault === undefined ? "" : `: ${faultLine(fault)}`;
}

/** `card removed: the card was taken out of reader "…"`. */
export function faultLine({ fault, message }: TraceFault): string {
  return message === "" ? faultWords(fault) : `${faultWords(fault)}: ${message}`;
}

/** `9000`, or what came in place of an answer. */
export function statusOf(step: ExchangeStep, told: Narration): { readonly sw: string | null; readonly words: string } {
  if (step.outcome.kind === "fault") return { sw: null, words: `no answer, ${faultLine(step.outcome)}` };
  return { sw: told.sw === null ? null : hexNumber(told.sw, 4), words: told.status };
}

/** `sim:demo, SmartCard-HSM (JCOP 3 or 4) …`: what a connection was made to. */
export function connectionTitle({ connection, card }: ToldConnection, number: number): string {
  const where = connection.where === undefined ? "" : `: ${connection.where}`;
  return `connection ${number}${where}${card === null ? "" : ` (${card})`}`;
}

/** Facts as JSON documents tell them. */
export function factsDocument(facts: Narration["command"]): { readonly name: string; readonly value: string }[] {
  return facts.map(({ name, value }) => ({ name, value }));
}

export function hexOrNull(bytes: Uint8Array): string | null {
  return bytes.length === 0 ? null : toHex(bytes);
}
