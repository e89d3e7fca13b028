import { exitCodes, HsmError } from "../../errors.ts";
import type { CommandContext } from "../context.ts";
import { errorDocument } from "../failure.ts";
import { checkTrace, type TraceVerdict } from "../traces/trace-check.ts";
import { countTrace, readPublicTrace, traceFiles } from "../traces/trace-files.ts";
import { stateWords } from "../wording.ts";

type FileReport =
  | ({ readonly file: string; readonly ok: boolean; readonly exchanges: number } & TraceVerdict)
  | { readonly file: string; readonly ok: false; readonly error: ReturnType<typeof errorDocument> };

/** Holds traces against this version of hsmadm. Exit 0 when all pass, 9 when one does not; each file is looked at. */
export async function run(context: CommandContext): Promise<number> {
  const reports: FileReport[] = [];
  for (const file of traceFiles(context, "some")) reports.push(await report(context, file));
  const failed = reports.filter(({ ok }) => !ok).length;
  context.output.result({ passed: reports.length - failed, failed, files: reports }, [
    ...reports.flatMap(reportLines),
    ...(reports.length === 1 ? [] : ["", `${reports.length - failed} of ${reports.length} pass`]),
  ]);
  return failed === 0 ? 0 : exitCodes["check-failed"];
}

async function report(context: CommandContext, file: string): Promise<FileReport> {
  try {
    const trace = await readPublicTrace(context, file);
    const verdict = await checkTrace(trace, file);
    return { file, ok: verdict.problems.length === 0, exchanges: countTrace(trace).exchanges, ...verdict };
  } catch (error) {
    // One file that is none must not keep the others from being looked at.
    if (!(error instanceof HsmError)) throw error;
    return { file, ok: false, error: errorDocument(error, error.exitCode) };
  }
}

function reportLines(report: FileReport): string[] {
  if ("error" in report) return [`FAILS  ${report.file}`, `       ${String(report.error["message"])}`];
  const { ok, file, exchanges, understood, passedOver, statuses, problems } = report;
  return [
    `${ok ? "passes" : "FAILS "} ${file}`,
    `       ${exchanges} exchanges: ${understood} understood, ${passedOver} passed over, ${problems.length} not`,
    ...statuses.map(
      ({ serial, state }) => `       status of ${serial || "a token without a name"}: ${stateWords[state]}`,
    ),
    ...problems.map(({ line, name, message }) => `       line ${line}: ${name}: ${message}`),
  ];
}
