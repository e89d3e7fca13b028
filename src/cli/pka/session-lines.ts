import { usage } from "../failure.ts";

/** A command line of a session file. */
export interface SessionLine {
  /** Its place in the file, from 1. */
  readonly number: number;
  readonly words: readonly string[];
}

/**
 * Reads a session file: a command line of hsmadm on each line, words in double or single quotes where they hold blanks,
 * `#` before a comment. There is no shell: no variables, no pipes.
 * @throws HsmError `SESSION_FILE` (usage), which names the line
 */
export function parseSessionFile(text: string): SessionLine[] {
  return text.split(/\r?\n/).flatMap((line, i) => {
    const words = wordsOf(line, i + 1);
    return words.length === 0 ? [] : [{ number: i + 1, words }];
  });
}

const word = /^(?:"((?:[^"\\]|\\.)*)"|'([^']*)'|([^\s"'\\#]+|\\.|(?<!^)#)|(\s+)|(#.*))/;

function wordsOf(line: string, number: number): string[] {
  const words: string[] = [];
  let current: string | undefined;
  for (let rest = line; rest !== ""; ) {
    const match = word.exec(rest);
    if (match === null) throw usage("SESSION_FILE", `line ${number}: a quote or backslash is left open`);
    const [whole, double, single, plain, blank, comment] = match;
    if (comment !== undefined && current === undefined) break;
    if (blank !== undefined) {
      if (current !== undefined) words.push(current);
      current = undefined;
    } else {
      const piece = double?.replace(/\\(["\\])/g, "$1") ?? single ?? plain?.replace(/^\\(.)$/, "$1") ?? comment ?? "";
      current = (current ?? "") + piece;
    }
    rest = rest.slice(whole.length);
  }
  if (current !== undefined) words.push(current);
  return words;
}
