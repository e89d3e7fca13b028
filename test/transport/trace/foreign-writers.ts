import fc from "fast-check";
import { toHex } from "../../../src/bytes/hex.ts";
import type { Trace } from "../../../src/transport/trace/trace.ts";
import { unmasked } from "../../../src/transport/trace/trace.ts";

/** Commands and answers of one connection, as other programs would write them. */
export interface Said {
  readonly command: Uint8Array;
  readonly answer: Uint8Array;
}

export const anySaid = fc.array(
  fc.record({
    command: fc.uint8Array({ minLength: 4, maxLength: 300 }),
    answer: fc.uint8Array({ minLength: 2, maxLength: 300 }),
  }),
  { minLength: 1, maxLength: 8 },
);

/** Each format as its program writes it; facts of the formats: docs/traces.md. */
export const writers = {
  ledger: (said: readonly Said[]) =>
    said
      .map(({ command, answer }) => `=> ${toHex(command).toLowerCase()}\n<= ${toHex(answer).toLowerCase()}`)
      .join("\n"),
  apdu4j: (said: readonly Said[]) =>
    `# ATR: 3B8001 81\n# PROTOCOL: T=1\n#\n${said
      .map(({ command, answer }) => `# Sent\n${toHex(command)}\n# Received in 1ms\n${toHex(answer)}\n`)
      .join("")}`,
  cardpeek: (said: readonly Said[]) =>
    `# cardpeek emulator\n# version 0\nR:3B800181\n${said
      .map(({ command, answer }) => `C:${toHex(command)}:${toHex(answer.slice(-2))}:${toHex(answer.slice(0, -2))}\n`)
      .join("")}# end\n`,
  opensc: (said: readonly Said[]) =>
    said.map(({ command, answer }) => `${dump("Outgoing", command)}${dump("Incoming", answer)}`).join(""),
  json: (said: readonly Said[]) =>
    JSON.stringify({
      session: "x",
      apdus: said.map(({ command, answer }) => ({ c: toHex(command), r: toHex(answer) })),
    }),
} as const;

/** `sc_hex_dump`: sixteen bytes a line, their characters behind them. */
function dump(direction: string, bytes: Uint8Array): string {
  let text = `P:1; T:0x1 22:06:09.457 [x] reader-pcsc.c:335:pcsc_transmit: \n${direction} APDU (${bytes.length} bytes):\n`;
  for (let at = 0; at < bytes.length; at += 16) {
    const line = bytes.subarray(at, at + 16);
    const characters = [...line].map((byte) => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : "."));
    const hex = `${toHex(line, " ")} `;
    text += `${bytes.length > 16 ? hex.padEnd(48) : hex}${characters.join("")}\n`;
  }
  return `${text}\n`;
}

export function saidIn(trace: Trace): Said[] {
  return trace.connections.flatMap(({ steps }) =>
    steps.flatMap((step) =>
      step.kind === "exchange" && step.outcome.kind === "answer"
        ? [{ command: step.command.bytes, answer: step.outcome.bytes.bytes }]
        : [],
    ),
  );
}

export function traceOf(said: readonly Said[]): Trace {
  const steps = said.map(({ command, answer }) => ({
    kind: "exchange" as const,
    line: 0,
    comments: [],
    command: unmasked(command),
    outcome: { kind: "answer" as const, line: 0, bytes: unmasked(answer) },
  }));
  return { version: 1, header: {}, connections: [{ line: 0, comments: [], atr: new Uint8Array(0), steps }] };
}
