import type { Trace } from "../trace.ts";
import { ForeignBuilder } from "./foreign-builder.ts";
import { logLines } from "./log-lines.ts";

/**
 * Reads the text of a Ledger `RecordStore` (ledgerjs, hw-transport-mocker): `=> hex` and `<= hex` by turns, blanks
 * anywhere, empty lines skipped, nothing else. It is one connection without an answer to reset.
 * @param name of the file, for errors
 * @throws HsmError `TRACE_INVALID` with the line
 */
export function readLedgerRecords(text: string, name: string): Trace {
  const builder = new ForeignBuilder(name);
  builder.header["tool"] = "Ledger RecordStore";
  let last = 0;
  for (const { number, text: line } of logLines(text)) {
    const compact = line.replace(/\s/g, "");
    if (compact === "") continue;
    last = number;
    const sign = compact.slice(0, 2);
    if (sign !== (builder.waiting ? "<=" : "=>")) {
      builder.refuse(
        number,
        builder.waiting ? "an answer (`<=`) is expected here" : "a command (`=>`) is expected here",
      );
    }
    const bytes = builder.hex(number, compact.slice(2), sign === "=>" ? "the command" : "the answer");
    if (sign === "=>") builder.command(number, bytes);
    else builder.answer(number, bytes);
  }
  if (builder.waiting) builder.refuse(last, "the file ends before the answer: it is cut off");
  return builder.finish();
}
