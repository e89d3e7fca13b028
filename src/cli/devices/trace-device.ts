import { readFile } from "node:fs/promises";
import { messageOf } from "../../errors.ts";
import type { Replay } from "../../transport/trace/replay.ts";
import type { CommandContext } from "../context.ts";
import { usage } from "../failure.ts";
import type { RawDevice } from "./raw-device.ts";

const largestTrace = 64 * 1024 * 1024;

/** A recording in place of a card: an `.apdu` file, or the JSON of other programs' recorders. */
export async function openTrace(context: CommandContext, path: string): Promise<RawDevice> {
  const replay = await openReplayOf(path);
  return { ...nextConnection(context, replay), complete: () => replay.finish() };
}

/** @throws HsmError `TRACE_UNREADABLE`, `TRACE_INVALID` (usage) */
export async function openReplayOf(path: string): Promise<Replay> {
  const text = await readTrace(path);
  const { openReplay } = await import("../../transport/trace/replay.ts");
  const json = /^\s*[[{]/.test(text);
  const trace = json ? (await import("../../transport/trace/foreign-json.ts")).readSharedJson(text, path) : text;
  return openReplay(trace, path);
}

/** The next card of the recording. @throws TransportError when the connection failed at the time */
export function nextConnection(context: CommandContext, replay: Replay): RawDevice {
  return {
    channel: replay.connect(),
    simulated: false,
    replayed: true,
    exact: true,
    expected: undefined,
    deadlineMs: context.globals.timeoutMs,
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
