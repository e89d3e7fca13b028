import type { Trace } from "../trace.ts";
import { ForeignBuilder } from "./foreign-builder.ts";
import { type LogLine, logLines } from "./log-lines.ts";

/**
 * Reads what apdu4j and GlobalPlatformPro write, of either kind:
 * - a dump (`DumpFormat`): lines of hex, command and answer by turns, `#` comments of which `# ATR:` begins a
 *   connection, `# Using` names its reader, and `# 12ms reason` in place of an answer says that none came;
 * - a log (`--debug`): `A>> T=1 (4+0011) 00A40400 …`, `A<< (0012+2) (5ms) …`, `SCardConnect(…) -> T=1, atr`, among others.
 * @param name of the file, for errors
 * @throws HsmError `TRACE_INVALID` with the line
 */
export function readApdu4j(text: string, name: string): Trace {
  return /^.{0,40}?(?:>>|<<) /m.test(text) ? readLog(text, name) : readDump(text, name);
}

function readDump(text: string, name: string): Trace {
  const builder = newBuilder(name);
  let reader: string | undefined;
  let last = 0;
  for (const { number, text: raw } of logLines(text)) {
    const line = raw.trim();
    if (line === "") continue;
    last = number;
    if (line.startsWith("#")) {
      const using = /^# Using (.+)$/.exec(line)?.[1];
      const atr = /^# ATR: *(.*)$/.exec(line)?.[1];
      if (using !== undefined) reader = using;
      if (atr !== undefined) builder.connect(number, reader, builder.readAtr(number, atr));
      if (builder.waiting && /^# [0-9smh]+ \S/.test(line)) builder.fault(number, "EXCHANGE_FAILED", failed);
      continue;
    }
    const bytes = builder.hex(number, line, builder.waiting ? "the answer" : "the command");
    if (builder.waiting) builder.answer(number, bytes);
    else builder.command(number, bytes);
  }
  if (builder.waiting) builder.refuse(last, "the file ends before the answer: it is cut off");
  return builder.finish();
}

const failed = "the exchange failed, says the log";

function readLog(text: string, name: string): Trace {
  const builder = newBuilder(name);
  for (const line of logLines(text)) readLogLine(builder, line);
  return builder.finish();
}

function readLogLine(builder: ForeignBuilder, { number, text }: LogLine): void {
  const connect = /SCardConnect\("([^"]*)"[^)]*\) -> \S+?(?:, ([0-9A-Fa-f ]+))?\s*$/.exec(text);
  if (connect !== null) {
    builder.connect(number, connect[1], builder.readAtr(number, connect[2] ?? ""));
    return;
  }
  if (/SCardDisconnect\(/.test(text)) {
    builder.close(number);
    return;
  }
  const said = /(?:^|[^<>])(>>|<<) (.*)$/.exec(text);
  if (said === null) return;
  const sign = said[1];
  // Protocol, lengths and times stand in front of the bytes and behind them.
  const rest = (said[2] ?? "")
    .replace(/\bT=\S+/, "")
    .replace(/\([^)]*\)/g, "")
    .trim();
  if (sign === ">>") {
    builder.command(number, builder.hex(number, rest, "the command"));
  } else if (/^[0-9A-Fa-f\s]+$/.test(rest)) {
    builder.answer(number, builder.hex(number, rest, "the answer"));
  } else {
    builder.fault(number, "EXCHANGE_FAILED", failed);
  }
}

function newBuilder(name: string): ForeignBuilder {
  const builder = new ForeignBuilder(name);
  builder.header["tool"] = "apdu4j";
  return builder;
}
