import { readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { fromHex, toHex } from "../../../src/bytes/hex.ts";
import { HsmError } from "../../../src/errors.ts";
import {
  readAnyTrace,
  recogniseFormat,
  type TraceFormat,
  traceFormats,
} from "../../../src/transport/trace/foreign/any-trace.ts";
import { formatTrace, parseTrace } from "../../../src/transport/trace/trace-file.ts";
import { anySaid, saidIn, writers } from "./foreign-writers.ts";
import { errorFrom, withoutLines } from "./support.ts";

const folder = join(import.meta.dirname, "recordings/foreign");
const read = (file: string) => readFileSync(join(folder, file), "utf8");
const convert = (file: string, format?: TraceFormat) => readAnyTrace(read(file), file, format);
const select = "00A404000BE82B0601040181C31F020100";
const answer = "6F0A820178850500010004019000";

describe("a debug log of OpenSC 0.23.0", () => {
  const { trace, format } = convert("opensc-0.23.0.log");

  test("is recognised, with its three processes, reader and answer to reset", () => {
    expect(format).toBe("opensc");
    expect(trace.header).toEqual({ tool: "OpenSC 0.23.0" });
    expect(trace.connections.map(({ where, atr }) => [where, toHex(atr)])).toEqual(
      Array(3).fill(["Virtual PCD 00 00", "3BDE18FF8191FE1FC38031815448534D317380214081071C"]),
    );
    expect(trace.connections.map(({ steps }) => steps.at(-1)?.kind)).toEqual(["close", "close", "close"]);
  });

  test("holds every APDU of the log, and bytes of the characters column are none of them", () => {
    const said = saidIn(trace);
    expect(said).toHaveLength(read("opensc-0.23.0.log").match(/Outgoing APDU/g)?.length ?? 0);
    const lengths = [...read("opensc-0.23.0.log").matchAll(/Outgoing APDU \((\d+)/g)].map(([, n]) => Number(n));
    expect(said.map(({ command }) => command.length)).toEqual(lengths);
    expect(said.map(({ command }) => toHex(command))).toContain("0020008106363438323139");
    expect(said.map(({ command }) => toHex(command))).toContain(
      "805000001C800200018106363438323139820835373632313838309101039201 01".replace(" ", ""),
    );
    const [, , third] = said;
    expect(toHex(third?.command ?? new Uint8Array(0))).toBe(select);
  });
});

describe("the other programs", () => {
  test("Ledger RecordStore", () => {
    const { trace, format } = convert("ledger.txt");
    expect(format).toBe("ledger");
    expect(saidIn(trace).map(({ command, answer }) => [toHex(command), toHex(answer)])).toEqual([
      [select, answer],
      ["00200081", "63C3"],
      ["0020008106363438323139", "9000"],
    ]);
  });

  test.each(["apdu4j.dump", "apdu4j.log"])("%s", (file) => {
    const { trace, format } = convert(file);
    expect(format).toBe("apdu4j");
    const [connection] = trace.connections;
    expect(connection?.where).toBe("Virtual PCD 00 00");
    expect(toHex(connection?.atr ?? new Uint8Array(0))).toBe("3BDE18FF8191FE1FC38031815448534D317380214081071C");
    const [first, second, third] = connection?.steps ?? [];
    expect(
      [first, second]
        .flatMap((step) =>
          step ? saidIn({ ...trace, connections: [{ ...trace.connections[0], steps: [step] } as never] }) : [],
        )
        .map((said) => [toHex(said.command), toHex(said.answer)]),
    ).toEqual([
      [select, answer],
      ["0020008106363438323139", "63C2"],
    ]);
    expect(third).toMatchObject({ kind: "exchange", outcome: { kind: "fault", fault: "EXCHANGE_FAILED" } });
  });

  test("Cardpeek: the first reset is the connect, the second a reset", () => {
    const { trace, format } = convert("cardpeek.clf");
    expect(format).toBe("cardpeek");
    expect(trace.connections).toHaveLength(1);
    expect(trace.connections[0]?.steps.map(({ kind }) => kind)).toEqual(["exchange", "exchange", "reset", "exchange"]);
    expect(saidIn(trace).map(({ answer }) => toHex(answer))).toEqual([answer, "63C2", "6982"]);
  });

  test("OpenSC's older spelling, several processes, faults of the reader", () => {
    const log = [
      "0x7f reader-pcsc.c:1:refresh_attributes: My Reader 00 check",
      "0x7f reader-pcsc.c:1:pcsc_connect: called",
      "0x7f card.c:1:match_atr_table: ATR     : 3b:80:01:81",
      "Outgoing APDU data [    5 bytes] =====================================",
      "00 C0 00 00 18 .....",
      "======================================================================",
      "Incoming APDU data [    2 bytes] =====================================",
      "61 18 a.",
      "======================================================================",
      "Outgoing APDU (4 bytes):",
      "00 20 00 81 . ..",
      "reader-pcsc.c:1:pcsc_internal_transmit: X:SCardTransmit/Control failed: 0x80100069",
      "0x7f reader-pcsc.c:1:pcsc_connect: called",
      "Outgoing APDU (4 bytes):",
      "00 20 00 81 . ..",
      "",
    ].join("\r\n");
    const { trace } = readAnyTrace(log, "x");
    expect(trace.connections).toHaveLength(2);
    expect(trace.connections[0]).toMatchObject({ where: "My Reader 00", atr: fromHex("3B800181") });
    expect(trace.connections[0]?.steps).toMatchObject([
      { outcome: { kind: "answer" } },
      { outcome: { kind: "fault", fault: "CARD_REMOVED" } },
    ]);
    expect(trace.connections[1]?.steps).toMatchObject([{ outcome: { kind: "fault", fault: "EXCHANGE_FAILED" } }]);
  });
});

describe.each(Object.entries(writers))("%s", (name, write) => {
  const format = name as TraceFormat;

  test("what is written is read, recognised or named, with LF and CRLF, and survives our own format", () => {
    fc.assert(
      fc.property(anySaid, fc.boolean(), (said, crlf) => {
        const text = crlf ? write(said).replaceAll("\n", "\r\n") : write(said);
        expect(recogniseFormat(text)).toBe(format);
        const { trace } = readAnyTrace(text, "x", format);
        expect(saidIn(trace)).toEqual(said);
        expect(withoutLines(parseTrace(formatTrace(trace), "x"))).toEqual(withoutLines(trace));
      }),
    );
  });

  test("cut anywhere: an error or a shorter trace, never another exception or other bytes", () => {
    fc.assert(
      fc.property(anySaid, fc.nat(), (said, at) => {
        const text = write(said);
        try {
          const found = saidIn(readAnyTrace(text.slice(0, at % text.length), "x", format).trace);
          const last = Math.max(0, found.length - 1);
          // Formats without an end mark cannot tell a last answer that lost whole bytes.
          expect(found.slice(0, last)).toEqual(said.slice(0, last));
        } catch (error) {
          expect(error).toBeInstanceOf(HsmError);
          expect(error).toMatchObject({ code: "TRACE_INVALID", kind: "usage" });
        }
      }),
    );
  });

  test("any text at all is a trace or TRACE_INVALID", () => {
    const piece = fc.oneof(
      fc.string(),
      fc.constantFrom(
        "=> 00",
        "<= 9000",
        "C:00:9000:",
        "R:3B",
        "Outgoing APDU (3 bytes):",
        ">> ",
        "<< ",
        "# ATR: 3B",
        "{",
        "00 20",
      ),
    );
    fc.assert(
      fc.property(fc.array(piece), (lines) => {
        try {
          readAnyTrace(lines.join("\n"), "x", format);
        } catch (error) {
          expect(error).toMatchObject({ code: "TRACE_INVALID" });
        }
      }),
    );
  });
});

describe("bad input", () => {
  const bad: [string, string, RegExp][] = [
    ["nothing", "", /the file is empty/],
    ["blanks", " \r\n\n", /the file is empty/],
    ["a log without APDUs", "hello\nworld\n", /no APDU in it/],
    ["an OpenSC log without APDUs", "P:1; T:0x1 22:06:09.457 [sc-hsm-tool] ctx.c:727:x: hello\n", /no APDU in it/],
    ["a binary file", "\u0000\u0001", /not a text file/],
    ["a Ledger store without its last answer", "=> 00200081\n", /ends before the answer/],
    ["two commands of a Ledger store", "=> 00200081\n=> 00200081\n", /line 2: an answer/],
    ["half a byte", "=> 0020008\n", /line 1: the command is not whole bytes/],
    ["a Cardpeek line cut off", "C:00200081:63\n", /line 1: neither/],
    ["a dump cut off", "Outgoing APDU (20 bytes):\n00 20\n", /line 2: 16 bytes of the dump of line 1/],
    ["a dump that ends the log", "Outgoing APDU (4 bytes):\n", /line 1: the log ends inside/],
    ["an APDU that is too long", "Outgoing APDU (999999 bytes):\n", /more than any APDU/],
    ["JSON that is cut", '{"apdus":[', /not JSON/],
    ["ours of another version", "# hsmadm trace 2\n", /version 2/],
  ];
  test.each(bad)("%s", async (_, text, message) => {
    const error = await errorFrom(() => readAnyTrace(text, "x"));
    expect(error).toMatchObject({ code: "TRACE_INVALID", kind: "usage" });
    expect(error.message).toMatch(message);
  });

  test("digits of a line that is wrong are not repeated: they may be a PIN", async () => {
    const error = await errorFrom(() => readAnyTrace("=> 00200081 36343832313x\n", "x"));
    expect(error.message).not.toContain("3634");
  });

  test("every format named is one that is read", () => {
    expect([...Object.keys(writers), "hsmadm"].sort()).toEqual([...traceFormats].sort());
  });
});
