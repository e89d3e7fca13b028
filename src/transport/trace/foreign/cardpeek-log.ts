import { concat } from "../../../bytes/bytes.ts";
import type { Trace } from "../trace.ts";
import { ForeignBuilder } from "./foreign-builder.ts";
import { logLines } from "./log-lines.ts";

/**
 * Reads a log of Cardpeek (what its `emulator.c` saves for replay): `R:atr` is a reset, `C:command:sw:data` an exchange,
 * `#` a comment. The first reset is the connect, each further one a reset.
 * @param name of the file, for errors
 * @throws HsmError `TRACE_INVALID` with the line
 */
export function readCardpeekLog(text: string, name: string): Trace {
  const builder = new ForeignBuilder(name);
  builder.header["tool"] = "Cardpeek";
  let connected = false;
  for (const { number, text: raw } of logLines(text)) {
    const line = raw.trim();
    if (line === "" || line.startsWith("#")) continue;
    const [sign, first = "", sw = "", data = "", ...more] = line.split(":");
    if (sign === "R" && sw === "" && more.length === 0) {
      const atr = builder.readAtr(number, first);
      if (connected) builder.reset(number, "cold", atr);
      else builder.connect(number, undefined, atr);
    } else if (sign === "C" && /^[0-9A-Fa-f]{4}$/.test(sw) && line.split(":").length === 4) {
      builder.command(number, builder.hex(number, first, "the command"));
      const status = builder.hex(number, sw, "the status word");
      builder.answer(number, concat(builder.hex(number, data, "the answer"), status));
    } else {
      builder.refuse(number, "neither `R:atr` nor `C:command:sw:data`: the file is cut off or something else");
    }
    connected = true;
  }
  return builder.finish();
}
