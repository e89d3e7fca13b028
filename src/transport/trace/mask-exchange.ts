import type { ByteRange, ExchangeRedactor } from "../../apdu/redaction.ts";
import type { MaskedBytes } from "./trace.ts";

/** An exchange as a trace may keep it. */
export interface MaskedExchange {
  readonly command: MaskedBytes;
  /** Empty when no answer came. */
  readonly response: MaskedBytes;
  readonly note: string | undefined;
}

/** CLA, INS, P1 and P2 are never secret: without them nobody could tell what was left out. */
const headerBytes = 4;
const statusBytes = 2;

/**
 * The one place where bytes of a card become bytes of a trace. What the redactor names is wiped here, before anything is
 * written or kept. When the redactor fails, or names ranges that make no sense, all but header and status word is wiped.
 */
export function maskExchange(redactor: ExchangeRedactor, command: Uint8Array, response: Uint8Array): MaskedExchange {
  const answerEnd = Math.max(0, response.length - statusBytes);
  try {
    const rules = redactor.redact(command.slice(), response.slice());
    return {
      command: mask(command, rules.command, command.length),
      response: mask(response, rules.response, answerEnd),
      note: rules.note,
    };
  } catch {
    const everything = [{ start: 0, end: response.length }];
    return {
      command: mask(command, [{ start: Math.min(headerBytes, command.length), end: command.length }], command.length),
      response: mask(response, everything, response.length < statusBytes ? response.length : answerEnd),
      note: "redacted whole",
    };
  }
}

/** A copy of `bytes` with the ranges set to 0. Overlapping and unordered ranges are joined; nothing from `end` on is masked. */
function mask(bytes: Uint8Array, ranges: readonly ByteRange[], end: number): MaskedBytes {
  const kept = bytes.slice();
  const joined: { start: number; end: number }[] = [];
  for (const range of [...ranges].sort((a, b) => a.start - b.start)) {
    if (!Number.isInteger(range.start) || !Number.isInteger(range.end) || range.start < 0 || range.end < range.start) {
      throw new RangeError("not a range of bytes");
    }
    const part = { start: range.start, end: Math.min(range.end, end) };
    if (part.end <= part.start) continue;
    kept.fill(0, part.start, part.end);
    const last = joined.at(-1);
    if (last !== undefined && part.start <= last.end) last.end = Math.max(last.end, part.end);
    else joined.push(part);
  }
  return { bytes: kept, masked: joined };
}
