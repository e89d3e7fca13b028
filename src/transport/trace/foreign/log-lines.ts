export interface LogLine {
  /** From 1. */
  readonly number: number;
  /** Without its line end. */
  readonly text: string;
}

/** The lines of a log, one after the other, so that a long one is not held twice. LF and CRLF. */
export function* logLines(text: string): Generator<LogLine, undefined> {
  let number = 1;
  for (let from = text.startsWith("\ufeff") ? 1 : 0; from < text.length; number++) {
    const found = text.indexOf("\n", from);
    const end = found === -1 ? text.length : found;
    const cut = end > from && text[end - 1] === "\r" ? end - 1 : end;
    yield { number, text: text.slice(from, cut) };
    from = end + 1;
  }
  return undefined;
}
