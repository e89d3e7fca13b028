import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { concat } from "../../../src/bytes/bytes.ts";
import { unmasked } from "../../../src/transport/trace/trace.ts";
import { formatTrace, parseTrace } from "../../../src/transport/trace/trace-file.ts";
import { anyTrace, atr, errorFrom, withoutLines } from "./support.ts";

const head = "# hsmadm trace 1\n";

describe("a trace file", () => {
  test("what is written is read back, whatever it holds", () => {
    fc.assert(
      fc.property(anyTrace, (trace) => {
        expect(withoutLines(parseTrace(formatTrace(trace), "t"))).toEqual(withoutLines(trace));
      }),
      { numRuns: 500 },
    );
  });

  test("what is read is written the same way again, with CRLF too", () => {
    fc.assert(
      fc.property(anyTrace, (trace) => {
        const text = formatTrace(trace);
        expect(formatTrace(parseTrace(text.replaceAll("\n", "\r\n"), "t"))).toBe(text);
      }),
    );
  });

  test("tells steps, notes, comments and lines of a file that a person wrote", () => {
    const text = [
      "# hsmadm trace 1",
      "# card: SmartCard-HSM 3.5",
      "# recorded: 2026-11-20",
      "# The operator mistypes once, then gets in.",
      "> 00 20 00 81 06 ** ** ** ** ** **          VERIFY user PIN",
      "< 63 c2",
      "> 00 20 00 81\t# ask",
      "< 90 00",
      "",
    ].join("\n");
    const trace = parseTrace(text, "t");
    expect(trace.header).toEqual({ card: "SmartCard-HSM 3.5", recorded: "2026-11-20" });
    expect(trace.connections).toHaveLength(1);
    const steps = trace.connections[0]?.steps ?? [];
    expect(steps.map((step) => step.line)).toEqual([5, 7]);
    expect(steps[0]).toMatchObject({
      kind: "exchange",
      comments: ["The operator mistypes once, then gets in."],
      note: "VERIFY user PIN",
      command: { masked: [{ start: 5, end: 11 }] },
      outcome: { line: 6, bytes: { bytes: Uint8Array.of(0x63, 0xc2), masked: [] } },
    });
    expect(steps[1]).toMatchObject({ note: "ask" });
  });

  test("long bytes are wrapped, and read from one line as well", () => {
    const long = Uint8Array.from({ length: 70 }, (_, i) => i);
    const text = formatTrace({
      version: 1,
      header: {},
      connections: [
        {
          line: 0,
          comments: [],
          atr,
          steps: [
            {
              kind: "exchange",
              line: 0,
              comments: [],
              command: unmasked(Uint8Array.of(0, 0xb0, 0, 0, 0)),
              note: "READ BINARY",
              outcome: { kind: "answer", line: 0, bytes: unmasked(concat(long, Uint8Array.of(0x90, 0))) },
            },
          ],
        },
      ],
    });
    expect(text.split("\n").every((line) => line.length <= 120)).toBe(true);
    expect(text.match(/ \\$/gm)).toHaveLength(2);
    const oneLine = text.replaceAll(/ \\\n {2}/g, " ");
    expect(withoutLines(parseTrace(oneLine, "t"))).toEqual(withoutLines(parseTrace(text, "t")));
  });

  test("the longest answer of extended length fits, on one line too", () => {
    const all = Array.from({ length: 65_538 }, () => "A5").join(" ");
    const trace = parseTrace(`${head}> 00 B0 00 00 00 00 00\n< ${all}\n`, "t");
    expect(trace.connections[0]?.steps[0]).toMatchObject({ outcome: { bytes: { bytes: { length: 65_538 } } } });
    expect(withoutLines(parseTrace(formatTrace(trace), "t"))).toEqual(withoutLines(trace));
  });

  test("lines of several connections may take turns", () => {
    const text = `${head}! connect a\n> 01\n< 90 00\n! connect b\n> 02\n< 90 00\n! connection 1\n> 03\n< 90 00\n`;
    const commands = parseTrace(text, "t").connections.map(({ where, steps }) => [
      where,
      ...steps.map((step) => (step.kind === "exchange" ? step.command.bytes[0] : step.kind)),
    ]);
    expect(commands).toEqual([
      ["a", 1, 3],
      ["b", 2],
    ]);
  });

  const bad: [what: string, text: string, message: RegExp][] = [
    ["nothing", "", /^trace t: the file is empty$/],
    ["blanks only", " \n\n", /empty/],
    ["a file without the first line", "> 00\n< 90 00\n", /line 1: not a trace/],
    ["a first line without end", "# hsmadm tr", /line 1: not a trace/],
    ["an unknown version", "# hsmadm trace 2\n> 00\n", /line 1: version 2, not 1/],
    ["a huge version", `# hsmadm trace ${"9".repeat(200)}\n`, /line 1: not a trace/],
    ["binary bytes", "# hsmadm trace 1\n\u0000\u0001\n", /not a text file/],
    ["bytes that are not UTF-8", "# hsmadm trace 1\n\ufffd\n", /not a text file/],
    ["a control character", `${head}\n> 00 \u001b[31m\n`, /line 3: a control character/],
    ["a line cut in the middle", `${head}> 00 20 00 81\n< 63`, /line 3: the last line has no end: the file is cut off/],
    ["half a byte", `${head}> 00 20 0\n`, /line 2: ends inside a byte/],
    ["half a byte before a comment", `${head}> 00 2  x\n`, /line 2: no byte at column 6/],
    ["a word that is no byte", `${head}> 00 zz\n`, /line 2: no byte at column 6/],
    ["one blank before a comment", `${head}> 00 VERIFY\n`, /line 2: no byte at column 6/],
    ["a star too few", `${head}> 00 * 00\n`, /line 2: no byte/],
    ["two blanks between bytes", `${head}> 00 20  00 81\n`, /line 2: more than one blank between bytes/],
    ["a sign without bytes", `${head}>\n`, /line 2: ends inside a byte/],
    ["a command without answer", `${head}> 00\n< 90 00\n> 01\n`, /line 4: the trace ends early/],
    [
      "two commands in a row",
      `${head}> 00\n> 01\n< 90 00\n`,
      /line 3: the command of line 2 has neither answer nor fault/,
    ],
    ["an event in place of an answer", `${head}> 00\n! reset\n`, /line 3: the command of line 2/],
    ["an answer without command", `${head}< 90 00\n`, /line 2: an answer without a command/],
    ["two answers", `${head}> 00\n< 90 00\n< 90 00\n`, /line 4: an answer without/],
    ["a continuation that is missing", `${head}> 00 \\\n`, /line 2: ends in `\\`/],
    ["a continuation that is something else", `${head}> 00 \\\n< 90 00\n`, /line 3: line 2 ends in `\\`/],
    ["an indented line of its own", `${head}  00 01\n`, /line 2: an indented line/],
    ["an event nobody knows", `${head}! explode\n`, /line 2: not an event/],
    ["an unknown sign", `${head}? 00\n`, /line 2: a line begins with/],
    ["an ATR that is not hex", `${head}! atr xyz\n`, /line 2: the answer to reset is not hex/],
    ["an ATR that is too long", `${head}! atr ${"3B".repeat(34)}\n`, /line 2: an answer to reset has at most 33/],
    ["an ATR in the wrong place", `${head}> 00\n< 90 00\n! atr 3B\n`, /line 4: an answer to reset stands after/],
    ["a turn to no connection", `${head}! connection 1\n`, /line 2: no such connection/],
    ["a turn to connection 0", `${head}! connect\n! connection 0\n`, /line 3: no such connection/],
    ["attempts that are no number", `${head}> 00\n! timeout\n  attempts: many\n`, /line 4: attempts is not a number/],
    ["a head that says a thing twice", `${head}# card: a\n# card: b\n`, /line 3: the head has `card` twice/],
    ["a megabyte on one line", `${head}> ${"00 ".repeat(350_000)}\n`, /line 2: 1050002 characters/],
    [
      "more bytes than any APDU",
      `${head}> 00 \\\n${`  ${"00 ".repeat(60_000)}\\\n`.repeat(2)}  00\n`,
      /line 4: more than 65600/,
    ],
  ];
  test.each(bad)("refuses %s", async (_, text, message) => {
    const error = await errorFrom(() => parseTrace(text, "t"));
    expect(error).toMatchObject({ code: "TRACE_INVALID", kind: "usage" });
    expect(error.message).toMatch(message);
  });

  test("a file cut off anywhere is refused, or ends between two steps", () => {
    fc.assert(
      fc.property(anyTrace, fc.nat(), (trace, at) => {
        const text = formatTrace(trace);
        const cut = text.slice(0, at % text.length);
        let read: ReturnType<typeof parseTrace>;
        try {
          read = parseTrace(cut, "t");
        } catch (error) {
          expect(error).toMatchObject({ code: "TRACE_INVALID" });
          return;
        }
        const steps = (from: typeof trace) => from.connections.flatMap((connection) => connection.steps.map(stepKey));
        expect(steps(trace).slice(0, steps(read).length)).toEqual(steps(read));
      }),
      { numRuns: 300 },
    );
  });

  test("whatever the text, it is read or refused", () => {
    const line = fc.oneof(
      fc.constantFrom(
        "> 00 20",
        "< 90 00",
        "! reset",
        "! card removed",
        "! connect",
        "! atr 3B",
        "  advice: x",
        "# x",
        "> ** \\",
        "  00",
        "",
      ),
      fc.string(),
    );
    fc.assert(
      fc.property(fc.array(line, { maxLength: 12 }), (lines) => {
        try {
          parseTrace(`${head}${lines.join("\n")}\n`, "t");
        } catch (error) {
          expect(error).toMatchObject({ code: "TRACE_INVALID" });
        }
      }),
      { numRuns: 1000 },
    );
  });
});

/** Command and answer bytes; what a fault or reset says in its further lines may be cut without harm. */
function stepKey(step: import("../../../src/transport/trace/trace.ts").TraceStep): unknown {
  if (step.kind !== "exchange") return step.kind;
  const answer = step.outcome.kind === "answer" ? withoutLines(step.outcome.bytes) : step.outcome.fault;
  return [withoutLines(step.command), answer];
}
