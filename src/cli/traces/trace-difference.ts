import { equal } from "../../bytes/bytes.ts";
import { toHex } from "../../bytes/hex.ts";
import type { Fact } from "../../cards/smartcard-hsm/narrator-facts.ts";
import { outline } from "../../cards/smartcard-hsm/narrator-facts.ts";
import { align } from "../../transport/trace/align.ts";
import { faultWords } from "../../transport/trace/fault-words.ts";
import { maskedHex } from "../../transport/trace/masked-hex.ts";
import type { MaskedBytes, Trace, TraceStep } from "../../transport/trace/trace.ts";
import { usage } from "../failure.ts";
import { statusOf, type ToldStep, tellTrace } from "./told-trace.ts";

/** One thing that is not the same. */
export interface Difference {
  /** Of a command, of its answer, or of the status word; `answer to reset` of a connection. */
  readonly kind: "command" | "answer" | "status" | "answer to reset";
  readonly name: string;
  readonly left: string;
  readonly right: string;
  /** Belongs to one token or one moment, and does not count. */
  readonly individual: boolean;
}

/** Steps that stand beside each other, or a step that only one recording has. */
export interface ComparedStep {
  readonly name: string;
  readonly leftLine: number | null;
  readonly rightLine: number | null;
  /** The status of a step that stands alone. */
  readonly status: string | null;
  readonly differences: readonly Difference[];
}

type Item =
  | { readonly kind: "connect"; readonly line: number; readonly atr: Uint8Array; readonly fault: string }
  | { readonly kind: "step"; readonly line: number; readonly told: ToldStep };

/**
 * Compares two recordings of the same story. Commands stand together when they ask for the same (name, application, file,
 * offset); what differs then is told by what it means. Hand it traces without secrets.
 * @throws HsmError `TRACES_TOO_DIFFERENT` (usage)
 */
export function compareTraces(left: Trace, right: Trace): ComparedStep[] {
  const [a, b] = [itemsOf(left), itemsOf(right)];
  const pairs = align(a.map(identity), b.map(identity));
  if (pairs === null) {
    throw usage(
      "TRACES_TOO_DIFFERENT",
      "the traces are too long and too different to be laid beside each other",
      "compare recordings of one story, or cut them into parts",
    );
  }
  return pairs.flatMap(({ left: i, right: j }) =>
    compare(i === null ? undefined : a[i], j === null ? undefined : b[j]),
  );
}

/** Whether anything differs that is not individual. */
export function countsAsDifferent(step: ComparedStep): boolean {
  return step.leftLine === null || step.rightLine === null || step.differences.some(({ individual }) => !individual);
}

function itemsOf(trace: Trace): Item[] {
  return tellTrace(trace).flatMap(({ connection, steps }): Item[] => [
    { kind: "connect", line: connection.line, atr: connection.atr, fault: connection.fault?.fault ?? "" },
    ...steps.map((told) => ({ kind: "step" as const, line: told.step.line, told })),
  ]);
}

const identifying = new Set(["application", "file", "offset"]);

function identity(item: Item): string {
  if (item.kind === "connect") return `connect ${item.fault}`;
  if (item.told.kind === "event") return eventIdentity(item.told.step);
  const { name, command } = item.told.told;
  return [name, ...command.filter((each) => identifying.has(each.name)).map(({ value }) => value)].join("\n");
}

/** Messages of faults name readers; what happened is the code. */
function eventIdentity(step: TraceStep): string {
  return "fault" in step && step.fault !== undefined ? `${step.kind} ${step.fault.fault}` : step.kind;
}

function nameOf(item: Item): string {
  if (item.kind === "connect") return "a connection";
  return item.told.kind === "event" ? item.told.words : item.told.told.name;
}

function statusText(item: Item): string | null {
  if (item.kind === "connect" || item.told.kind === "event") return null;
  const { outcome } = item.told.step;
  if (outcome.kind === "fault") return `no answer, ${faultWords(outcome.fault)}`;
  const { sw, words } = statusOf(item.told.step, item.told.told);
  return sw === null ? words : `${sw} ${words}`;
}

function compare(left: Item | undefined, right: Item | undefined): ComparedStep[] {
  const item = left ?? right;
  if (item === undefined) return [];
  const name = nameOf(item);
  const lines = { leftLine: left?.line ?? null, rightLine: right?.line ?? null };
  if (left === undefined || right === undefined) {
    return [{ name, ...lines, status: statusText(item), differences: [] }];
  }
  return [{ name, ...lines, status: null, differences: differencesOf(left, right) }];
}

function differencesOf(left: Item, right: Item): Difference[] {
  if (left.kind === "connect" || right.kind === "connect") {
    if (left.kind !== right.kind || left.kind !== "connect" || right.kind !== "connect") return [];
    if (equal(left.atr, right.atr)) return [];
    const [a, b] = [toHex(left.atr, " ") || "none", toHex(right.atr, " ") || "none"];
    return [{ kind: "answer to reset", name: "bytes", left: a, right: b, individual: false }];
  }
  if (left.told.kind === "event" || right.told.kind === "event") return [];
  const [a, b] = [left.told, right.told];
  const found: Difference[] = [];
  const [was, is] = [statusText(left) ?? "", statusText(right) ?? ""];
  if (was !== is) found.push({ kind: "status", name: "status", left: was, right: is, individual: false });
  found.push(...compareFacts("command", a.told.command, b.told.command));
  if (!found.some(({ kind }) => kind === "command")) found.push(...compareForm(a.step.command, b.step.command));
  found.push(...compareAnswers(a, b));
  return found;
}

type ToldExchange = Extract<ToldStep, { kind: "exchange" }>;

function compareAnswers(a: ToldExchange, b: ToldExchange): Difference[] {
  const facts = compareFacts("answer", a.told.answer, b.told.answer);
  if (facts.length > 0) return facts;
  const [left, right] = [dataOf(a), dataOf(b)];
  if (left === null || right === null || equal(left, right)) return [];
  // The facts are the same and the bytes are not: the objects tell where.
  const own = a.told.answer.some(({ individual }) => individual === true);
  const fields = compareFacts("answer", outline(left), outline(right));
  return fields.map((field) => ({ ...field, individual: own }));
}

function dataOf({ step }: ToldExchange): Uint8Array | null {
  if (step.outcome.kind !== "answer" || step.outcome.bytes.masked.length > 0) return null;
  const { bytes } = step.outcome.bytes;
  return bytes.subarray(0, Math.max(0, bytes.length - 2));
}

/** The same was asked in other bytes: short or extended, another Le. */
function compareForm(left: MaskedBytes, right: MaskedBytes): Difference[] {
  const [a, b] = [maskedHex(left), maskedHex(right)];
  return a === b ? [] : [{ kind: "command", name: "bytes", left: a, right: b, individual: false }];
}

/** Facts of the same name stand together, the n-th with the n-th. */
function compareFacts(kind: Difference["kind"], left: readonly Fact[], right: readonly Fact[]): Difference[] {
  const [a, b] = [named(left), named(right)];
  const found: Difference[] = [];
  for (const key of new Set([...a.keys(), ...b.keys()])) {
    const [was, is] = [a.get(key), b.get(key)];
    if (was?.value === is?.value) continue;
    const individual = (was ?? is)?.individual === true && was !== undefined && is !== undefined;
    const name = (was ?? is)?.name ?? key;
    found.push({ kind, name, left: was?.value ?? "nothing", right: is?.value ?? "nothing", individual });
  }
  return found;
}

function named(facts: readonly Fact[]): Map<string, Fact> {
  const found = new Map<string, Fact>();
  const seen = new Map<string, number>();
  for (const each of facts) {
    const n = seen.get(each.name) ?? 0;
    seen.set(each.name, n + 1);
    found.set(`${each.name}\n${n}`, each);
  }
  return found;
}
