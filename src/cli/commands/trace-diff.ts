import { exitCodes } from "../../errors.ts";
import type { Trace } from "../../transport/trace/trace.ts";
import type { CommandContext } from "../context.ts";
import { type ComparedStep, compareTraces, countsAsDifferent, type Difference } from "../traces/trace-difference.ts";
import { readPublicTrace, traceFiles } from "../traces/trace-files.ts";

const lineWidth = 6;

/** Lays two recordings of the same story beside each other and tells what is not the same. Exit 0 same, 9 different. */
export async function run(context: CommandContext): Promise<number> {
  const [left = "", right = ""] = traceFiles(context, 2);
  const [a, b] = [await readPublicTrace(context, left), await readPublicTrace(context, right)];
  const steps = compareTraces(a, b);
  const different = steps.filter(countsAsDifferent);
  const shown = steps.filter((step) => countsAsDifferent(step) || step.differences.length > 0);
  const counts = {
    same: steps.length - different.length,
    different: different.filter(({ leftLine, rightLine }) => leftLine !== null && rightLine !== null).length,
    onlyLeft: different.filter(({ rightLine }) => rightLine === null).length,
    onlyRight: different.filter(({ leftLine }) => leftLine === null).length,
  };
  const facts = { left, right, identical: different.length === 0, ...counts };
  context.output.result({ ...facts, steps: shown }, [
    `A: ${title(left, a)}`,
    `B: ${title(right, b)}`,
    ...(shown.length === 0 ? [] : ["", `${"A".padStart(lineWidth)} ${"B".padStart(lineWidth)}`]),
    ...shown.flatMap(stepLines),
    "",
    `${counts.same} steps are the same, ${counts.different} differ, ${counts.onlyLeft} only in A, ${counts.onlyRight} only in B`,
    ...(shown.some(({ differences }) => differences.some(({ individual }) => individual))
      ? ["~ differs between any two tokens (serial, key, random) and does not count"]
      : []),
  ]);
  return different.length === 0 ? 0 : exitCodes["check-failed"];
}

function title(file: string, { header }: Trace): string {
  const card = header["card"];
  return card === undefined ? file : `${file} (${card})`;
}

function stepLines(step: ComparedStep): string[] {
  const line = (number: number | null): string => String(number ?? "-").padStart(lineWidth);
  const { leftLine, rightLine, name, status } = step;
  const alone = leftLine === null ? "only in B: " : rightLine === null ? "only in A: " : "";
  return [
    `${line(leftLine)} ${line(rightLine)}  ${alone}${name}${status === null ? "" : `, ${status}`}`,
    ...step.differences.flatMap(differenceLines),
  ];
}

function differenceLines({ kind, name, left, right, individual }: Difference): string[] {
  const indent = "".padStart(2 * lineWidth + 3);
  const what = name === kind ? name : `${kind}, ${name}`;
  return [`${indent}${individual ? "~ " : ""}${what}:`, `${indent}  A  ${left}`, `${indent}  B  ${right}`];
}
