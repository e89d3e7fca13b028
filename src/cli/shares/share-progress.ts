import { HsmError } from "../../errors.ts";
import type { CommandContext } from "../context.ts";

const width = 30;

/** A bar for the seconds that a derivation takes, on a terminal only; it is gone when the work is over. */
export class ProgressBar {
  readonly #sink: { write(text: string): unknown } | null;
  readonly #title: string;
  #shown = -1;

  constructor({ io, globals }: Pick<CommandContext, "io" | "globals">, title: string) {
    this.#sink = io.stderr.isTTY === true && !globals.quiet ? io.stderr : null;
    this.#title = title;
  }

  /** @param fraction of the work that is done, from 0 to 1 */
  readonly show = (fraction: number): void => {
    const percent = Math.floor(Math.min(Math.max(fraction, 0), 1) * 100);
    if (this.#sink === null || percent === this.#shown) return;
    this.#shown = percent;
    const full = Math.floor((percent * width) / 100);
    this.#sink.write(
      `\r[${"#".repeat(full)}${".".repeat(width - full)}] ${String(percent).padStart(3)} % ${this.#title}`,
    );
  };

  /** Takes the bar off the screen. */
  end(): void {
    if (this.#shown >= 0) this.#sink?.write("\r\u001B[K");
    this.#shown = -1;
  }
}

/** Derives under a bar. Ctrl-C ends the work at once, and nothing was written or sent by then. */
export async function underBar<T>(
  context: Pick<CommandContext, "io" | "globals" | "signal">,
  title: string,
  work: (options: { readonly progress: (fraction: number) => void; readonly signal: AbortSignal }) => Promise<T>,
): Promise<T> {
  const bar = new ProgressBar(context, title);
  const stop = new AbortController();
  const abort = () =>
    stop.abort(
      new HsmError("INTERRUPTED", "interrupted", "the password derivation was stopped, nothing was written or sent"),
    );
  if (context.signal.aborted) abort();
  context.signal.addEventListener("abort", abort, { once: true });
  try {
    return await work({ progress: bar.show, signal: stop.signal });
  } finally {
    context.signal.removeEventListener("abort", abort);
    bar.end();
  }
}
