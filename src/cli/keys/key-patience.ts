import type { CommandContext } from "../context.ts";

/**
 * Shows on a terminal that a card is at work and for how long; nothing elsewhere, nothing under `--quiet`.
 * @param line `generating RSA-4096, minutes on a card`
 */
export async function watched<T>(
  { io, output }: Pick<CommandContext, "io" | "output">,
  line: string,
  work: () => Promise<T>,
): Promise<T> {
  const { stderr } = io;
  if (stderr.isTTY !== true || output.quiet) return work();
  const began = Date.now();
  const show = () => {
    const seconds = Math.floor((Date.now() - began) / 1000);
    const words = `${line} … ${seconds} s`;
    // A line that wraps could not be taken off again.
    stderr.write(`\r${words.slice(0, (stderr.columns || 80) - 1)}\u001b[K`);
  };
  show();
  const timer = setInterval(show, 1000);
  try {
    return await work();
  } finally {
    clearInterval(timer);
    stderr.write("\r\u001b[K");
  }
}
