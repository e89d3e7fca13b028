import type { CommandContext } from "../context.ts";
import { putTrace, readTraceFile, traceFiles, withoutSecrets } from "../traces/trace-files.ts";

/** Another program's recording in our format. Secrets are masked on the way in; there is no way to keep them. */
export async function run(context: CommandContext): Promise<undefined> {
  const [file = ""] = traceFiles(context, 1);
  const { trace, format } = await readTraceFile(context, file);
  putTrace(context, withoutSecrets(trace), { file, from: format });
}
