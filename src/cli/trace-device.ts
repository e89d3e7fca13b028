import { readFile } from "node:fs/promises";
import { messageOf } from "../errors.ts";
import type { CommandContext } from "./context.ts";
import { usage } from "./failure.ts";
import type { RawDevice } from "./raw-device.ts";

const largestTrace = 64 * 1024 * 1024;

/** A recording in place of a card: an `.apdu` file, or the JSON of other programs' recorders. */
export async function openTrace(context: CommandContext, path: string): Promise<RawDevice> {
  const text = await readTrace(path);
  const { openReplay } = await import("../transport/trace/replay.ts");
  const json = /^\s*[[{]/.test(text);
  const trace = json ? (await import("../transport/trace/foreign-json.ts")).readSharedJson(text, path) : text;
  const replay = openReplay(trace, path);
  return {
    channel: replay.connect(),
    simulated: false,
    replayed: true,
    exact: true,
    expected: undefined,
    deadlineMs: context.globals.timeoutMs,
    complete: () => replay.finish(),
    close: async () => undefined,
  };
}

async function readTrace(path: string): Promise<string> {
  try {
    const bytes = await readFile(path);
    if (bytes.length > largestTrace) throw new Error("it is too long");
    return new TextDecoder().decode(bytes);
  } catch (error) {
    throw usage("TRACE_UNREADABLE", `the trace ${path} cannot be read: ${messageOf(error)}`);
  }
}
