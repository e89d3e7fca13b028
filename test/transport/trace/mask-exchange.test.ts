import fc from "fast-check";
import { expect, test } from "vitest";
import { fromHex } from "../../../src/bytes/hex.ts";
import { maskExchange } from "../../../src/transport/trace/mask-exchange.ts";
import { maskFlags } from "../../../src/transport/trace/trace.ts";

const range = fc.tuple(fc.nat(40), fc.nat(20)).map(([start, length]) => ({ start, end: start + length }));

test("exactly the ranges named are masked and wiped, in whatever order they come and overlap", () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 40 }),
      fc.uint8Array({ maxLength: 40 }),
      fc.array(range, { maxLength: 5 }),
      fc.array(range, { maxLength: 5 }),
      (command, response, inCommand, inResponse) => {
        const redactor = { redact: () => ({ command: inCommand, response: inResponse }), restart: () => undefined };
        const masked = maskExchange(redactor, command, response);
        for (const [value, bytes, ranges, end] of [
          [masked.command, command, inCommand, command.length],
          [masked.response, response, inResponse, response.length - 2],
        ] as const) {
          const secret = (i: number) => i < end && ranges.some((each) => i >= each.start && i < each.end);
          const flags = [...maskFlags(value)];
          expect(flags).toEqual([...bytes].map((_, i) => (secret(i) ? 1 : 0)));
          expect([...value.bytes]).toEqual([...bytes].map((byte, i) => (secret(i) ? 0 : byte)));
          const joined = value.masked.flatMap((each) => [each.start, each.end]);
          expect(joined).toEqual([...new Set(joined)].sort((a, b) => a - b));
        }
      },
    ),
  );
});

test("a short command or answer is masked whole when the redactor fails", () => {
  const redactor = {
    redact: () => {
      throw new Error("no");
    },
    restart: () => undefined,
  };
  expect(maskExchange(redactor, fromHex("0020"), fromHex("31"))).toEqual({
    command: { bytes: fromHex("0020"), masked: [] },
    response: { bytes: fromHex("00"), masked: [{ start: 0, end: 1 }] },
    note: "redacted whole",
  });
});
