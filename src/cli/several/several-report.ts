import type { CommandContext } from "../context.ts";
import { errorDocument } from "../failure.ts";
import { isInterruption } from "../interruption.ts";
import type { Document } from "../output.ts";
import { table } from "../wording.ts";
import { nameOfRow, type Several } from "./several.ts";
import type { DeviceRow } from "./several-run.ts";

/**
 * Prints one row for each token; what failed is told on standard error too, with its advice.
 * @param facts what the row of a token that was read has in the document besides the common members
 * @param nothing the same members where there is nothing to tell
 * @param cells what people see of it, under `heading`
 * @returns the exit code
 */
export function reportSeveral<T>(
  { output }: Pick<CommandContext, "output">,
  { rows, leftOut, failure }: Several<T>,
  shape: {
    readonly facts: (result: T) => Document;
    readonly nothing: Document;
    readonly heading: readonly string[];
    readonly cells: (result: T) => readonly string[];
  },
): number {
  const exitCode = failure?.exitCode ?? 0;
  const document = {
    devices: rows.map((row) => ({
      asked: row.asked,
      ok: row.ok,
      where: row.where,
      ...(row.ok ? shape.facts(row.result) : shape.nothing),
      error: row.ok ? null : errorDocument(row.error, row.error.exitCode),
    })),
    leftOut,
    error: failure === undefined ? null : errorDocument(failure, exitCode),
  };
  output.result(document, severalLines(rows, shape, output.columns));
  for (const where of leftOut) output.note(`hsmadm: left out: ${where} holds no SmartCard-HSM`);
  // Whoever pressed Ctrl-C is told so once, by the error that follows.
  const failed = rows.filter((row) => !row.ok).filter(({ error }) => !isInterruption(error));
  for (const row of failed) {
    const name = nameOfRow(row);
    output.say(`hsmadm: error: ${row.error.message.includes(name) ? "" : `${name}: `}${row.error.message}`);
    for (const hint of row.error.advice?.split("\n") ?? []) output.say(`hsmadm: hint: ${hint}`);
  }
  if (failure !== undefined && failed.length > 0) output.say(`hsmadm: error: ${failure.message}`);
  return exitCode;
}

/** The table; a row that failed says why where its columns would be. A terminal's rows are not longer than it is wide. */
function severalLines<T>(
  rows: readonly DeviceRow<T>[],
  { heading, cells }: { readonly heading: readonly string[]; readonly cells: (result: T) => readonly string[] },
  width: number | undefined,
): string[] {
  if (rows.length === 0) return [];
  const full = rows.map((row) => (row.ok ? cells(row.result) : null));
  const names = rows.map((row, i) => full[i]?.[0] ?? nameOfRow(row));
  const named = table([heading, ...full.map((line, i) => line ?? [names[i] ?? ""])]);
  const first = Math.max(heading[0]?.length ?? 0, ...names.map((name) => name.length));
  return named.map((line, i) => {
    const row = rows[i - 1];
    const told = row === undefined || row.ok ? line : `${line.padEnd(first)}  ERROR: ${row.error.message}`;
    return width === undefined || told.length <= width ? told : `${told.slice(0, Math.max(1, width - 1))}…`;
  });
}
