import { fstatSync } from "node:fs";
import { HsmError, messageOf } from "../../errors.ts";
import { interrupted, throwIfInterrupted } from "../interruption.ts";
import { writeAll } from "./write-all.ts";

/** Of a pipe, a terminal, a socket; and what is written to a stream after one of these. */
const goneCodes: readonly string[] = ["EPIPE", "EIO", "ECONNRESET", "ERR_STREAM_DESTROYED"];

/** Looked at once: a process keeps the standard output it was started with. */
let outputIsPipe: boolean | undefined;

/** Data to standard output, be it a file or a pipe. @throws as `CliIo.pour` does */
export async function pourOut(pieces: readonly Uint8Array[], signal: AbortSignal): Promise<void> {
  throwIfInterrupted(signal);
  try {
    // A pipe's reader may keep us waiting: only the event loop can be called back from that.
    outputIsPipe ??= isPipe();
    if (outputIsPipe) await pipe(pieces, signal);
    else await writeAll(1, pieces);
  } catch (error) {
    if (error instanceof HsmError) throw error;
    throw isGone(error as NodeJS.ErrnoException) ? gone(error) : notWritable(error);
  }
}

/** `hsmadm … | head`, or a terminal that was closed: nobody reads any more. */
export function isGone({ code }: NodeJS.ErrnoException): boolean {
  return goneCodes.includes(code ?? "");
}

function isPipe(): boolean {
  const kind = fstatSync(1);
  return kind.isFIFO() || kind.isSocket();
}

/** All of them in one call of the system, where the pipe takes as much. */
function pipe(pieces: readonly Uint8Array[], signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = () => reject(interrupted());
    signal.addEventListener("abort", stop, { once: true });
    const last = (error?: Error | null) => {
      signal.removeEventListener("abort", stop);
      if (error == null) resolve();
      else reject(error);
    };
    process.stdout.cork();
    for (const piece of pieces.slice(0, -1)) process.stdout.write(piece);
    process.stdout.write(pieces.at(-1) ?? new Uint8Array(0), last);
    process.stdout.uncork();
  });
}

function gone(cause: unknown): HsmError {
  return new HsmError("OUTPUT_GONE", "partial", "nobody reads standard output any more, and not all was given out", {
    advice: "what came after that was neither given out nor checked",
    cause,
  });
}

function notWritable(cause: unknown): HsmError {
  return new HsmError("OUTPUT_NOT_WRITABLE", "service", `standard output cannot be written: ${messageOf(cause)}`, {
    advice: "see whether the file system is full; what is in the file is not the whole",
    cause,
  });
}
