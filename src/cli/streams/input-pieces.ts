import { closeSync, constants, fstatSync, open, readSync } from "node:fs";
import { isatty, ReadStream as TerminalInput } from "node:tty";
import { throwIfInterrupted } from "../interruption.ts";
import { pipePieces } from "./pipe-pieces.ts";

/** What is read at once. */
const pieceBytes = 1024 * 1024;

/**
 * The bytes of a file, or of standard input, be it a file, a pipe or a terminal. A piece is valid until the next one is
 * asked for.
 * @param path `null`: standard input
 * @throws HsmError `INTERRUPTED` once the signal was given, also while nothing comes; what the system says
 */
export async function* inputPieces(path: string | null, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  throwIfInterrupted(signal);
  const fd = path === null ? 0 : await opened(path);
  const kind = fstatSync(fd);
  // A thread that waits in read() for a pipe cannot be called back, not even by the end of the process.
  if (kind.isFIFO() || kind.isSocket()) yield* pipePieces(fd, pieceBytes, signal);
  else if (isatty(fd)) yield* typedPieces(fd, signal);
  else yield* filePieces(fd, path === null, signal);
}

/** A pipe with a name is open at once, whether somebody writes into it yet or not. */
function opened(path: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const flags = constants.O_RDONLY | (constants.O_NONBLOCK ?? 0);
    open(path, flags, (error, fd) => (error === null ? resolve(fd) : reject(error)));
  });
}

/**
 * One piece of memory for all of them: fresh memory, as a stream takes it, costs a page fault for every 4 KiB. Reading
 * is a copy as a rule, and a trip through another thread for it costs more than the copy.
 */
async function* filePieces(fd: number, keepOpen: boolean, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  const memory = new Uint8Array(pieceBytes);
  try {
    for (;;) {
      // From where the last one ended: somebody else may have read the beginning of standard input.
      const length = readSync(fd, memory, 0, memory.length, null);
      if (length === 0) return;
      yield memory.subarray(0, length);
      await otherEvents();
      throwIfInterrupted(signal);
    }
  } finally {
    memory.fill(0);
    if (!keepOpen) closeSync(fd);
  }
}

/** Ctrl-C among them. */
function otherEvents(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

async function* typedPieces(fd: number, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  const terminal = new TerminalInput(fd);
  const stop = () => terminal.destroy();
  signal.addEventListener("abort", stop);
  try {
    for await (const piece of terminal) yield piece as Uint8Array;
  } catch (error) {
    throwIfInterrupted(signal);
    throw error;
  } finally {
    signal.removeEventListener("abort", stop);
    terminal.destroy();
  }
}
