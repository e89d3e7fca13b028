import { describeSw, SW } from "../../apdu/status-word.ts";
import { recogniseCommand } from "../../cards/smartcard-hsm/recognise.ts";
import { SmartCardHsm } from "../../cards/smartcard-hsm/smartcard-hsm.ts";
import type { TokenState } from "../../cards/smartcard-hsm/token-status.ts";
import { HsmError } from "../../errors.ts";
import { openReplay } from "../../transport/trace/replay.ts";
import type { Trace, TraceConnection, TraceStep } from "../../transport/trace/trace.ts";
import { type ToldStep, tellTrace } from "./told-trace.ts";

/** What is wrong with one exchange of a trace, or with its replay. */
export interface TraceProblem {
  readonly line: number;
  /** The command in words. */
  readonly name: string;
  readonly code: string;
  readonly message: string;
}

export interface TraceVerdict {
  /** Commands that this driver sends byte for byte, whose answers its parsers understood or know as a refusal. */
  readonly understood: number;
  /** Of other programs, or with hidden answers, or without an answer: nothing to be checked. */
  readonly passedOver: number;
  /** What the driver said of the tokens whose whole status is in the trace. */
  readonly statuses: readonly { readonly line: number; readonly state: TokenState; readonly serial: string }[];
  readonly problems: readonly TraceProblem[];
}

/** With these the driver says that it has no words for what the card answered. */
const speechless = ["COMMAND_REFUSED", "TLV_INVALID"];

/**
 * Holds a trace against this version of the driver:
 * 1. a replay gives every answer, in order, and is used up at the end;
 * 2. of each command that the driver sends, its own parser takes the answer: a result, or a refusal it has words for;
 * 3. connections that are a `device status` are run through the driver as a whole.
 */
export async function checkTrace(trace: Trace, name: string): Promise<TraceVerdict> {
  const problems = await replayProblems(trace, name);
  const statuses: { line: number; state: TokenState; serial: string }[] = [];
  let understood = 0;
  let passedOver = 0;
  for (const { connection, steps } of tellTrace(trace)) {
    for (const step of steps) {
      if (step.kind === "event") continue;
      const verdict = judge(step);
      if (verdict === "understood") understood++;
      else if (verdict === "passed over") passedOver++;
      else problems.push(verdict);
    }
    const status = await statusStory(connection, name);
    if (status === null) continue;
    const { state, serial, broken } = status;
    statuses.push({ line: connection.line, state, serial });
    if (broken === null) continue;
    problems.push({ line: connection.line, name: "device certificate", code: "CHAIN_INVALID", message: broken });
  }
  return { understood, passedOver, statuses, problems };
}

function judge({ step, told }: Extract<ToldStep, { kind: "exchange" }>): "understood" | "passed over" | TraceProblem {
  const { outcome } = step;
  const { whole } = told;
  if (whole === null || outcome.kind === "fault" || outcome.bytes.masked.length > 0) return "passed over";
  const ours = recogniseCommand(whole.command, whole.sent, whole.hidden, "the token");
  // 6Cxx says with which length to ask again. What the driver does not send it has no parser for.
  if (ours === null || !whole.ours || whole.sw >> 8 === 0x6c) return "passed over";
  try {
    const result = ours.parse({ data: whole.data, sw: whole.sw });
    if (!isShrug(result)) return "understood";
    const message = `the driver makes nothing of ${describeSw(whole.sw)} here`;
    return { line: outcome.line, name: told.name, code: "ANSWER_NOT_UNDERSTOOD", message };
  } catch (error) {
    if (!(error instanceof HsmError)) throw error;
    // A card that refuses the applet is none of ours, which the driver says; one that takes it must answer as one of ours.
    const strange = error.code === "NOT_A_SMARTCARD_HSM" && whole.sw === SW.ok;
    if (!strange && !speechless.includes(error.code)) return "understood";
    return { line: outcome.line, name: told.name, code: error.code, message: error.message };
  }
}

/** The states by which parsers say that they do not know. */
function isShrug(result: unknown): boolean {
  if (typeof result !== "object" || result === null || !("state" in result)) return false;
  return result.state === "unreadable" || result.state === "unknown";
}

/** Asks everything that the trace has, in its order, through the channel that `trace:FILE` uses. */
async function replayProblems(trace: Trace, name: string): Promise<TraceProblem[]> {
  const replay = openReplay(trace, name);
  const problems: TraceProblem[] = [];
  for (const connection of trace.connections) {
    if (connection.fault !== undefined) {
      await told(problems, connection.line, "connect", async () => void replay.connect());
      continue;
    }
    // A hidden answer ends a replay, by rights; what stands after it is checked by the parsers alone.
    if (connection.steps.some(hasHiddenAnswer)) return problems;
    const channel = replay.connect();
    for (const step of connection.steps) {
      const { line } = step;
      if (step.kind === "exchange")
        await told(problems, line, "exchange", () => channel.transceive(step.command.bytes));
      else if (step.kind === "reset") await told(problems, line, "reset", () => channel.reset());
      else if (step.kind === "close") await told(problems, line, "close", () => channel.close());
    }
  }
  await told(problems, 0, "end", async () => replay.finish());
  return problems;
}

function hasHiddenAnswer(step: TraceStep): boolean {
  return step.kind === "exchange" && step.outcome.kind === "answer" && step.outcome.bytes.masked.length > 0;
}

/** Faults that were recorded are thrown again, as they should be. What the replay itself complains of is a problem. */
async function told(problems: TraceProblem[], line: number, name: string, work: () => Promise<unknown>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!(error instanceof HsmError)) throw error;
    if (error.code.startsWith("TRACE_")) problems.push({ line, name, code: error.code, message: error.message });
  }
}

/** The connection as `device status` would ask; `null` when it is another story. */
async function statusStory(
  connection: TraceConnection,
  name: string,
): Promise<{ readonly state: TokenState; readonly serial: string; readonly broken: string | null } | null> {
  const replay = openReplay({ version: 1, header: {}, connections: [connection] }, name);
  try {
    const card = await SmartCardHsm.open(replay.connect());
    const { serial, chain } = await card.identity();
    await card.label();
    const { state } = await card.status();
    await card.channel.close();
    replay.finish();
    return { state, serial, broken: chain.status === "invalid" ? chain.reason : null };
  } catch (error) {
    if (error instanceof HsmError) return null;
    throw error;
  }
}
