import { type OnReadOpts, Socket, type SocketConstructorOpts } from "node:net";
import { interrupted } from "../interruption.ts";

/** As much as a pipe holds, unless somebody made it larger. */
const landingBytes = 64 * 1024;

/**
 * What comes through a pipe or a socket. Two pieces of memory take turns: what arrives while one is used collects in the
 * other, and when that is full the writer has to wait.
 * @param fd closed at the end, but for standard input
 * @throws HsmError `INTERRUPTED` once the signal was given, also while nothing comes
 */
export async function* pipePieces(fd: number, pieceBytes: number, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  // Where the next bytes go is settled before they come, so they cannot go straight to memory that changes hands.
  const landing = new Uint8Array(landingBytes);
  let [now, next] = [new Uint8Array(pieceBytes), new Uint8Array(pieceBytes)];
  let filled = 0;
  let over = false;
  let failure: unknown;
  let tell = (): void => undefined;
  const options: SocketConstructorOpts & { onread: OnReadOpts } = {
    fd,
    readable: true,
    writable: false,
    onread: {
      buffer: landing,
      callback(length) {
        next.set(landing.subarray(0, length), filled);
        filled += length;
        tell();
        return filled + landingBytes <= next.length;
      },
    },
  };
  const pipe = new Socket(options);
  const end = (error?: unknown) => {
    failure ??= error;
    over = true;
    tell();
  };
  const stop = () => end(interrupted());
  pipe.on("end", () => end());
  pipe.on("close", () => end());
  pipe.on("error", end);
  signal.addEventListener("abort", stop);
  try {
    if (signal.aborted) stop();
    for (;;) {
      pipe.resume();
      if (filled === 0 && !over) {
        await new Promise<void>((resolve) => {
          tell = resolve;
        });
      }
      if (failure !== undefined) throw failure;
      if (filled === 0) return;
      const length = filled;
      [now, next, filled] = [next, now, 0];
      yield now.subarray(0, length);
    }
  } finally {
    signal.removeEventListener("abort", stop);
    pipe.destroy();
    for (const each of [landing, now, next]) each.fill(0);
  }
}
