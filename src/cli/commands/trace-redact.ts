import type { CommandContext } from "../context.ts";
import { countTrace, putTrace, readTraceFile, traceFiles, withoutSecrets } from "../traces/trace-files.ts";

/** Makes a trace publishable: what the card's rules call secret is masked, in bytes and in the words beside them. */
export async function run(context: CommandContext): Promise<undefined> {
  const [file = ""] = traceFiles(context, 1);
  const { trace, format } = await readTraceFile(context, file);
  const before = countTrace(trace).maskedBytes;
  const redacted = withoutSecrets(trace);
  putTrace(context, redacted, { file, from: format, maskedBefore: before });
}
