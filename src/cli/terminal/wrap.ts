/**
 * Breaks a line between words so that it fits a terminal. The lines that follow stand under where the text began: behind
 * the name of an aligned fact, behind `- ` or a number, else under the first word. A word that is too long is left whole.
 */
export function wrap(line: string, columns: number | undefined): string[] {
  if (columns === undefined || columns < narrowest || line.length <= columns) return [line];
  const indent = " ".repeat(hanging(line, columns));
  const lines: string[] = [];
  let rest = line;
  while (rest.length > columns) {
    const at = breakBefore(rest, columns, indent.length);
    if (at === undefined) break;
    lines.push(rest.slice(0, at).trimEnd());
    rest = indent + rest.slice(at).trimStart();
  }
  return [...lines, rest];
}

/** Below this nothing reads well, and a terminal that says so is mistaken. */
const narrowest = 20;

/** The last space that keeps the line within the columns, else the first one there is. */
function breakBefore(line: string, columns: number, from: number): number | undefined {
  const last = line.lastIndexOf(" ", columns);
  if (last > from) return last;
  const first = line.indexOf(" ", Math.max(from, columns));
  return first < 0 ? undefined : first;
}

function hanging(line: string, columns: number): number {
  const message = /^hsmadm: (?:hint|error|warning): /.exec(line);
  if (message !== null) return message[0].length <= columns / 4 ? message[0].length : 2;
  const begun = /^ *(?:- |\S.*?\S {2,}|\S {2,})?/.exec(line)?.[0].length ?? 0;
  // A name that takes half of the screen leaves no room beside it.
  return begun <= columns / 2 ? begun : Math.min(2, begun);
}
