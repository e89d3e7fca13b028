import { maskedHex } from "../../transport/trace/masked-hex.ts";
import type { CommandContext } from "../context.ts";
import {
  connectionTitle,
  factsDocument,
  faultLine,
  hexOrNull,
  statusOf,
  type ToldConnection,
  type ToldStep,
  tellTrace,
} from "../traces/told-trace.ts";
import { countTrace, readTraceFile, traceFiles, withoutSecrets } from "../traces/trace-files.ts";

const lineWidth = 6;
const nameWidth = 34;
const widest = 80;

/** Each exchange of a trace in words: what was asked, what the answer says, what its status means there. */
export async function run(context: CommandContext): Promise<undefined> {
  const [file = ""] = traceFiles(context, 1);
  const { trace: loaded, format } = await readTraceFile(context, file);
  const trace = withoutSecrets(loaded);
  const told = tellTrace(trace);
  const { connections: connectionCount, ...counts } = countTrace(trace);
  const hex = context.args.flag("hex");
  const { json } = context.output;
  const head = Object.entries(trace.header).map(([key, value]) => `${key}: ${value}`);
  // A long trace is put into the one form that is printed, not into both.
  const lines = json ? [] : told.flatMap((connection, i) => ["", ...connectionLines(connection, i + 1, hex)]);
  const connections = json ? told.map(connectionDocument) : [];
  context.output.result(
    { file, from: format, header: trace.header, connectionCount, ...counts, connections },
    head.length === 0 ? lines.slice(1) : [...head, ...lines],
  );
}

function connectionLines(told: ToldConnection, number: number, hex: boolean): string[] {
  const { fault } = told.connection;
  return [
    ...told.connection.comments.map((comment) => `# ${comment}`),
    connectionTitle(told, number),
    ...(fault === undefined ? [] : [`${"".padStart(lineWidth)}  ${faultLine(fault)}`]),
    ...told.steps.flatMap((step) => stepLines(step, hex)),
  ];
}

function stepLines(step: ToldStep, hex: boolean): string[] {
  const line = String(step.step.line).padStart(lineWidth);
  const comments = step.step.comments.map((comment) => `${"".padStart(lineWidth)}  # ${comment}`);
  if (step.kind === "event") return [...comments, `${line}  ${step.words}`];
  const { sw, words } = statusOf(step.step, step.told);
  const name = step.told.name.padEnd(nameWidth);
  const facts = [
    ...step.told.command.map((each) => ["> ", each] as const),
    ...step.told.answer.map((each) => ["< ", each] as const),
  ];
  const width = Math.max(0, ...facts.map(([, { name }]) => Math.min(name.length, 24)));
  const indent = "".padStart(lineWidth + 2);
  const { outcome, command } = step.step;
  return [
    ...comments,
    `${line}  ${name}  ${sw === null ? words : `${sw} ${words}`}`,
    ...(hex ? [`${indent}> ${maskedHex(command)}`] : []),
    ...(hex && outcome.kind === "answer" ? [`${indent}< ${maskedHex(outcome.bytes)}`] : []),
    ...facts.map(([sign, { name, value }]) => shortened(`${indent}${sign}${name.padEnd(width)}  ${value}`, hex)),
  ];
}

function shortened(line: string, whole: boolean): string {
  return whole || line.length <= widest ? line : `${line.slice(0, widest - 2)} …`;
}

function connectionDocument(told: ToldConnection): object {
  const { connection, card, steps } = told;
  return {
    line: connection.line,
    where: connection.where ?? null,
    atr: hexOrNull(connection.atr),
    card,
    fault: connection.fault?.fault ?? null,
    comments: connection.comments,
    steps: steps.map(stepDocument),
  };
}

function stepDocument(step: ToldStep): object {
  const { line, comments } = step.step;
  if (step.kind === "event") return { kind: step.step.kind, line, comments, words: step.words };
  const { sw, words } = statusOf(step.step, step.told);
  const { outcome, command } = step.step;
  return {
    kind: "exchange",
    line,
    comments,
    name: step.told.name,
    command: maskedHex(command),
    answer: outcome.kind === "answer" ? maskedHex(outcome.bytes) : null,
    fault: outcome.kind === "fault" ? outcome.fault : null,
    sw,
    status: words,
    commandFacts: factsDocument(step.told.command),
    answerFacts: factsDocument(step.told.answer),
  };
}
