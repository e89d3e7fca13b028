import type { CeremonyRecording } from "./ceremonies/ceremony-recording.ts";
import { asHsmError, failureOf } from "./failure.ts";
import type { Output } from "./output.ts";

/**
 * Runs a command and, where it is recorded, writes down how it ended, a failure too.
 * @returns its exit code
 * @throws HsmError what the command threw; `CEREMONY_NOT_RECORDED` (partial) when it is done and in no record
 */
export async function recordedRun(
  ceremony: CeremonyRecording | undefined,
  output: Output,
  run: () => Promise<number | undefined>,
): Promise<number> {
  if (ceremony === undefined) return (await run()) ?? 0;
  let exitCode: number;
  try {
    exitCode = (await run()) ?? 0;
  } catch (error) {
    const failure = failureOf(error);
    // What went wrong with the command is told as ever; that it is not in the record must not hide it.
    await ceremony.end(failure.exitCode, failure.error).catch((lost: unknown) => output.warn(asHsmError(lost).message));
    throw error;
  }
  await ceremony.end(exitCode, null);
  return exitCode;
}
