import { HsmError } from "../../errors.ts";
import { type Trace, traceInvalid } from "./trace.ts";
import { TraceBuilder, type TraceItem } from "./trace-builder.ts";
import { commentLines, connectLines, headLines, stepLines, traceVersion } from "./trace-lines.ts";

/** Longest line that is read, in characters: an APDU of extended length on one line has 196 kB. */
const maxLineLength = 262_144;

/** The file of a trace; docs/trace-format.md. What is read back from it is the same trace, line numbers aside. */
export function formatTrace(trace: Trace): string {
  const lines = headLines(trace.header);
  for (const connection of trace.connections) {
    lines.push(...connectLines(connection));
    for (const step of connection.steps) lines.push(...stepLines(step));
  }
  if (trace.trailer !== undefined && trace.trailer.length > 0) lines.push("", ...commentLines(trace.trailer));
  return `${lines.join("\n")}\n`;
}

/**
 * Reads the text of a trace file.
 * @param name of the file, for errors
 * @throws HsmError `TRACE_INVALID` (usage) with the line that does not follow the format
 */
export function parseTrace(text: string, name: string): Trace {
  const lines = splitLines(text, name);
  checkVersion(lines, name);
  const builder = new TraceBuilder(name);
  let at = 1;
  for (; at < lines.length; at++) {
    const field = /^# ([a-z][a-z0-9-]*):(?: (.*))?$/.exec(lines[at] as string);
    if (field === null) break;
    builder.header(at + 1, field[1] as string, (field[2] ?? "").trim());
  }
  for (; at < lines.length; at++) builder.add(at + 1, itemOf(lines[at] as string, at + 1, name));
  return builder.finish(lines.length);
}

/** The lines without their ends. A file whose last line has none was cut off in the middle of it. */
function splitLines(text: string, name: string): string[] {
  if (text.trim() === "") throw traceInvalid(name, null, "the file is empty");
  if (text.includes("\u0000") || text.includes("\ufffd")) throw traceInvalid(name, null, "this is not a text file");
  const lines = text.replace(/^\ufeff/, "").split("\n");
  const last = lines.pop();
  for (const [i, line] of lines.entries()) {
    if (line.length > maxLineLength) {
      throw traceInvalid(name, i + 1, `${line.length} characters, a line has at most ${maxLineLength}`);
    }
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
    if (/[\u0000-\u0008\u000b-\u001f]/.test(line.replace(/\r$/, ""))) {
      throw traceInvalid(name, i + 1, "a control character: this is not a text file");
    }
  }
  checkVersion(last === undefined || lines.length > 0 ? lines : [last], name);
  if (last !== undefined && last.length > 0) {
    const advice = "when it is whole, add a line feed at its end";
    throw traceInvalid(name, lines.length + 1, "the last line has no end: the file is cut off", advice);
  }
  return lines.map((line) => line.trimEnd());
}

function checkVersion(lines: readonly string[], name: string): void {
  const first = (lines[0] ?? "").trimEnd();
  const version = /^# hsmadm trace (\S{1,20})$/.exec(first)?.[1];
  if (version === undefined) {
    const advice = "`hsmadm trace convert` reads the recordings of other programs";
    throw traceInvalid(name, 1, `not a trace: the first line is not \`# hsmadm trace ${traceVersion}\``, advice);
  }
  if (version !== String(traceVersion)) {
    throw new HsmError("TRACE_INVALID", "usage", `trace ${name}, line 1: version ${version}, not ${traceVersion}`, {
      advice: "it was written by another version of hsmadm: read it with that one",
      details: { trace: name, line: 1, version },
    });
  }
}

/** What a line is, as far as the line alone tells. */
function itemOf(line: string, number: number, name: string): TraceItem {
  if (line === "") return { kind: "blank" };
  const sign = line[0] as string;
  const rest = line.slice(1);
  if (sign === "#") return { kind: "comment", text: rest.startsWith(" ") ? rest.slice(1) : rest };
  if (sign === " " || sign === "\t") return { kind: "continuation", text: line.trim() };
  const spaced = rest === "" || rest.startsWith(" ");
  if ((sign === ">" || sign === "<") && spaced) return { kind: "bytes", sign, text: rest.trim() };
  if (sign === "!" && spaced) return { kind: "event", text: rest.trim() };
  throw traceInvalid(name, number, "a line begins with `# `, `> `, `< `, `! ` or, to go on, with a blank");
}
