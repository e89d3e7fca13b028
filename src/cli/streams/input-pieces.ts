import { close, constants, fstatSync, open, read } from "node:fs";
import { isatty, ReadStream as TerminalInput } from "node:tty";
import { throwIfInterrupted } from "../interruption.ts";
import { pipePieces } from "./pipe-pieces.ts";

/** What is read at once. */
export const pieceBytes = 1024 * 1024;

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
 * Two pieces of memory take turns: one is read into while the other is used. Fresh memory, as a stream takes it, costs a
 * page fault for every 4 KiB; they alone would be a third of the time.
 */
async function* filePieces(fd: number, keepOpen: boolean, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  let [now, next] = [new Uint8Array(pieceBytes), new Uint8Array(pieceBytes)];
  let reading = readInto(fd, now);
  try {
    for (;;) {
      const length = await reading;
      throwIfInterrupted(signal);
      if (length === 0) return;
      reading = readInto(fd, next);
      // What goes wrong is told when its turn comes, and not at all to somebody who needs no more.
      reading.catch(() => undefined);
      yield now.subarray(0, length);
      [now, next] = [next, now];
    }
  } finally {
    await reading.catch(() => undefined);
    for (const each of [now, next]) each.fill(0);
    if (!keepOpen) await closed(fd);
  }
}

/** From where the last one ended: standard input may be a file that somebody else has read the beginning of. */
function readInto(fd: number, memory: Uint8Array): Promise<number> {
  return new Promise((resolve, reject) => {
    read(fd, memory, 0, memory.length, null, (error, length) => (error === null ? resolve(length) : reject(error)));
  });
}

function closed(fd: number): Promise<void> {
  return new Promise((resolve) => close(fd, () => resolve()));
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
