import { readFile, stat } from "node:fs/promises";
import { utf8Text } from "../../bytes/bytes.ts";
import { HsmError, messageOf } from "../../errors.ts";
import { readSharedJson } from "./foreign-json.ts";
import { type Trace, traceInvalid } from "./trace.ts";
import { parseTrace } from "./trace-file.ts";

/** Larger files are not read: 64 MiB are more than half a million short exchanges. */
const maxFileBytes = 64 * 1024 * 1024;

/**
 * Reads a trace file of either kind, `.apdu` text or shared JSON; the first character tells which.
 * @throws HsmError `TRACE_NOT_FOUND` (usage), `TRACE_INVALID` (usage)
 */
export async function loadTrace(path: string): Promise<Trace> {
  let bytes: Uint8Array;
  try {
    const file = await stat(path);
    const { size } = file;
    if (!file.isFile()) throw traceInvalid(path, null, "this is not a file");
    if (size > maxFileBytes) throw traceInvalid(path, null, `${size} bytes, more than ${maxFileBytes}: not a trace`);
    bytes = await readFile(path);
  } catch (cause) {
    if (cause instanceof HsmError) throw cause;
    throw new HsmError("TRACE_NOT_FOUND", "usage", `the trace ${path} cannot be read: ${messageOf(cause)}`, { cause });
  }
  const text = utf8Text(bytes);
  if (text === null) throw traceInvalid(path, null, "this is not a text file");
  return text.trimStart().startsWith("{") ? readSharedJson(text, path) : parseTrace(text, path);
}
