import { type CommandApdu, decodeCommand } from "../../apdu/command.ts";
import type { ByteRange, ExchangeRedactor, RedactedExchange } from "../../apdu/redaction.ts";
import { equal } from "../../bytes/bytes.ts";
import { applicationId } from "./application.ts";
import { isPublicFile, type RedactionRule, ruleFor, unknownCommand } from "./redaction-rules.ts";

const headerLength = 4;
const chainingBit = 0x10;

/**
 * Tells a recorder what of a SmartCard-HSM's exchanges is secret. It follows which applet and which file are selected:
 * before the applet is, and while another one is, every instruction but SELECT is an unknown one.
 */
export function smartCardHsmRedactor(): ExchangeRedactor {
  let ours = false;
  let selectedFile: number | undefined;
  /** The rule of the command whose answer is still being fetched with GET RESPONSE. */
  let fetching: RedactionRule | undefined;
  /** A chain of commands is under way. */
  let chained = false;

  function judge(command: CommandApdu): RedactionRule {
    const { cla, ins } = command;
    if (ins === 0xc0 && (command.data?.length ?? 0) === 0) {
      return { note: "GET RESPONSE", data: "none", answer: fetching?.answer ?? true };
    }
    if (isSelectByName(command)) return ruleFor(command, undefined, true);
    if (!ours) return unknownCommand(command);
    if ((cla & chainingBit) === 0) return chained ? ofChain(command) : ruleFor(command, selectedFile, true);
    chained = true;
    return ofChain({ ...command, cla: cla & ~chainingBit });
  }

  function ofChain(command: CommandApdu): RedactionRule {
    const rule = ruleFor(command, selectedFile, false);
    return { ...rule, note: `${rule.note} (chained)` };
  }

  function follow(command: CommandApdu, response: Uint8Array): void {
    const sw1 = response[response.length - 2];
    const done = sw1 === 0x90 || sw1 === 0x61;
    if (isSelectByName(command)) {
      if (!done) return;
      ours = command.data !== undefined && equal(command.data, applicationId);
      selectedFile = undefined;
    } else if (command.ins === 0xa4 && done) {
      const [high, low, more] = command.data ?? [];
      selectedFile = high !== undefined && low !== undefined && more === undefined ? high * 256 + low : undefined;
    } else if (command.ins === 0xb1 || command.ins === 0xd7) {
      // Some cards make the file named here the selected one; then FID 0000 must not pass for the public one before it.
      const fid = command.p1 * 256 + command.p2;
      if (fid !== 0 && !isPublicFile(fid)) selectedFile = undefined;
    }
  }

  return {
    redact(bytes: Uint8Array, response: Uint8Array): RedactedExchange {
      const command = decoded(bytes);
      if (command === undefined) {
        fetching = undefined;
        chained = false;
        return {
          command: range(bytes.length < headerLength ? 0 : headerLength, bytes.length),
          response: answerRange(response),
          note: "no command APDU",
        };
      }
      const rule = judge(command);
      if ((command.cla & chainingBit) === 0) chained = false;
      if (command.ins !== 0xc0) fetching = rule;
      follow(command, response);
      return {
        command: dataRanges(bytes, command, rule),
        response: rule.answer ? answerRange(response) : [],
        note: rule.note,
      };
    },
    restart() {
      ours = false;
      selectedFile = undefined;
      fetching = undefined;
      chained = false;
    },
  };
}

function isSelectByName({ cla, ins, p1 }: CommandApdu): boolean {
  return cla === 0x00 && ins === 0xa4 && p1 === 0x04;
}

function decoded(bytes: Uint8Array): CommandApdu | undefined {
  try {
    return decodeCommand(bytes);
  } catch {
    return undefined;
  }
}

/** Ranges of the data field, moved to where it stands in the command. */
function dataRanges(bytes: Uint8Array, { data }: CommandApdu, rule: RedactionRule): ByteRange[] {
  if (data === undefined || data.length === 0 || rule.data === "none") return [];
  const start = bytes[headerLength] === 0 ? headerLength + 3 : headerLength + 1;
  if (rule.data === "all") return range(start, start + data.length);
  return rule.data.flatMap((part) => range(start + part.start, start + part.end));
}

function answerRange(response: Uint8Array): ByteRange[] {
  return range(0, response.length - 2);
}

function range(start: number, end: number): ByteRange[] {
  return end > start ? [{ start, end }] : [];
}
