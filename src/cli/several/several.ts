import { type ErrorKind, HsmError } from "../../errors.ts";
import type { CommandContext } from "../context.ts";
import { type OpenDevice, startRecorder } from "../devices/device-session.ts";
import { isInterruption } from "../interruption.ts";
import type { SeveralPlan } from "./several-plan.ts";
import { type DeviceRow, runTargets } from "./several-run.ts";
import { findTargets } from "./several-targets.ts";

/** What became of several devices. */
export interface Several<T> {
  /** One for each token, `--all` first in the order of the readers, then in the order of the command line. */
  readonly rows: readonly DeviceRow<T>[];
  /** Cards in readers that are no tokens. */
  readonly leftOut: readonly string[];
  /** What the exit code says: the kind that all failures have when nothing else happened, `partial` when some did not fail. */
  readonly failure: HsmError | undefined;
}

/**
 * `withDevice` for several: opens all of them for reading, lets `work` have each, and gives all back, whatever happens. The
 * trace is one file with a connection for each token.
 * @param tell hears the rows, also when something else is thrown after them: people see what was found out
 * @throws HsmError of kind `usage`; `INTERRUPTED`; the one error that kept all of them from being reached; of a trace
 *   that was not followed to its end
 */
export async function withDevices<T>(
  context: CommandContext,
  plan: SeveralPlan,
  work: (device: OpenDevice) => Promise<T>,
  tell: (several: Several<T>) => void = () => undefined,
): Promise<Several<T>> {
  const recorder = await startRecorder(context);
  let recorded = false;
  try {
    const { targets, complete, close } = await findTargets(context, plan);
    try {
      const done = await runTargets(context, targets, recorder, work);
      recorded = done.recorded;
      const several = { rows: done.rows, leftOut: done.leftOut, failure: failureOf(done.rows) };
      const errors = done.rows.flatMap((row) => (row.ok ? [] : [row.error]));
      const interruption = errors.find(isInterruption);
      if (interruption !== undefined) {
        tell(several);
        throw interruption;
      }
      refuseNone(several);
      const [first] = errors;
      // The same thing kept all of them from being read: no service, or a trace that says something else.
      if (first !== undefined && errors.length === done.rows.length && errors.every((error) => error === first)) {
        throw first;
      }
      tell(several);
      if (!errors.some(({ code }) => code.startsWith("TRACE_"))) complete();
      return several;
    } finally {
      await close();
    }
  } finally {
    await (recorded ? recorder?.finish() : recorder?.abandon());
  }
}

function refuseNone({ rows, leftOut }: Several<unknown>): void {
  if (rows.length > 0) return;
  throw new HsmError("DEVICE_NOT_FOUND", "device", "no reader holds a token that can be used", {
    advice: ["there are cards of another kind:", ...leftOut.map((where) => `  ${where}`)].join("\n"),
  });
}

/** How people and messages name a row. */
export function nameOfRow({ asked, where }: { readonly asked: string | null; readonly where: string }): string {
  return asked ?? where;
}

function failureOf(rows: readonly DeviceRow<unknown>[]): HsmError | undefined {
  const failed = rows.flatMap((row) => (row.ok ? [] : [{ name: nameOfRow(row), kind: row.error.kind }]));
  const [first] = failed;
  if (first === undefined) return undefined;
  const common = failed.length === rows.length && failed.every(({ kind }) => kind === first.kind);
  const kind: ErrorKind = common ? first.kind : "partial";
  const names = failed.map(({ name }) => name).join(", ");
  const message = `${failed.length} of ${rows.length} ${rows.length === 1 ? "token" : "tokens"} failed: ${names}`;
  return new HsmError(failed.length === rows.length ? "ALL_FAILED" : "SOME_FAILED", kind, message);
}
