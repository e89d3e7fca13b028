import { type CommandApdu, decodeCommand } from "../../apdu/command.ts";
import type { ByteRange, ExchangeRedactor, RedactedExchange } from "../../apdu/redaction.ts";
import { equal } from "../../bytes/bytes.ts";
import { hexNumber } from "../../bytes/hex.ts";
import { CborMasker } from "./cbor-masker.ts";
import { fidoApplicationId } from "./fido2-application.ts";
import { ctapName, ctapRule } from "./redaction-rules.ts";

const headerLength = 4;
const chainingBit = 0x10;
const notYet = 0x91;

/** Judges the bytes behind the first one, which is a command or a status and open. */
class MessageMasker {
  readonly #masker: CborMasker;
  #started = false;

  constructor(masker: CborMasker) {
    this.#masker = masker;
  }

  feed(byte: number): boolean {
    if (this.#started) return this.#masker.feed(byte);
    this.#started = true;
    return false;
  }
}

/** One CTAP message under way: its chain of APDUs, then the parts of its answer. */
interface Message {
  readonly name: string;
  readonly request: MessageMasker;
  readonly answer: MessageMasker;
}

/**
 * Tells a recorder what of CTAP2 over APDUs is secret: PIN hashes, new PINs, tokens, proofs and hmac-secret outputs, all
 * of them encrypted and covered all the same. It looks into the CBOR as it passes, over chains and GET RESPONSE.
 * @param elsewhere asked while another applet than FIDO's is selected; without it everything there is secret
 */
export function fido2Redactor(elsewhere?: ExchangeRedactor): ExchangeRedactor {
  let ours = false;
  let message: Message | undefined;
  let chained = false;

  function judge(bytes: Uint8Array, command: CommandApdu, response: Uint8Array): RedactedExchange {
    const { cla, ins } = command;
    const data = command.data ?? new Uint8Array(0);
    if (ins === 0xc0 && data.length === 0) return answered("GET RESPONSE", response);
    if (cla === 0x80 && ins === 0x11 && data.length === 0) {
      return answered(command.p1 === 0x11 ? "cancel the CTAP command" : "is the CTAP answer there?", response);
    }
    if (cla === 0x80 && ins === 0x12 && data.length === 0) {
      return { command: [], response: whole(response), note: "end of the FIDO2 session" };
    }
    if ((cla & ~chainingBit) !== 0x80 || ins !== 0x10) {
      message = undefined;
      return {
        command: dataRange(bytes, data),
        response: whole(response),
        note: `unknown command ${hexNumber(cla, 2)} ${hexNumber(ins, 2)}`,
      };
    }
    if (!chained || message === undefined) message = newMessage(data);
    chained = (cla & chainingBit) !== 0;
    const { name, request } = message;
    const start = dataStart(bytes);
    const hidden = masked(data, start, (byte) => request.feed(byte));
    const { response: answer } = answered(name, response);
    // A refused part ends the chain: what comes next is a message of its own.
    if (chained && response[response.length - 2] !== 0x90) chained = false;
    return { command: hidden, response: answer, note: chained ? `${name} (chained)` : name };
  }

  function answered(note: string, response: Uint8Array): RedactedExchange {
    const { length } = response;
    // "Not yet" comes with one byte of its own, which is no part of the answer.
    if (length <= 3 && response[length - 2] === notYet) return { command: [], response: [], note };
    const data = response.subarray(0, Math.max(0, length - 2));
    const pending = message;
    return {
      command: [],
      response: pending === undefined ? whole(response) : masked(data, 0, (byte) => pending.answer.feed(byte)),
      note,
    };
  }

  return {
    redact(bytes: Uint8Array, response: Uint8Array): RedactedExchange {
      const command = decoded(bytes);
      const selects = command !== undefined && command.ins === 0xa4 && command.p1 === 0x04 && command.cla === 0x00;
      const told = elsewhere !== undefined && (!ours || selects) ? elsewhere.redact(bytes, response) : undefined;
      if (selects) {
        const sw1 = response[response.length - 2];
        if (sw1 === 0x90 || sw1 === 0x61) ours = command.data !== undefined && equal(command.data, fidoApplicationId);
        message = undefined;
        chained = false;
        return { command: [], response: [], note: "SELECT application" };
      }
      if (ours && command !== undefined) return judge(bytes, command, response);
      return (
        told ?? {
          command: range(bytes.length < headerLength ? 0 : headerLength, bytes.length),
          response: whole(response),
          note:
            command === undefined
              ? "no command APDU"
              : `unknown command ${hexNumber(command.cla, 2)} ${hexNumber(command.ins, 2)}`,
        }
      );
    },
    restart() {
      ours = false;
      message = undefined;
      chained = false;
      elsewhere?.restart();
    },
  };
}

function newMessage(start: Uint8Array): Message {
  const rule = ctapRule(start[0] ?? 0);
  return {
    name: ctapName(start),
    request: new MessageMasker(new CborMasker(rule.request)),
    answer: new MessageMasker(new CborMasker(rule.answer)),
  };
}

/** The ranges of `data` that are secret, moved by `offset`. */
function masked(data: Uint8Array, offset: number, isSecret: (byte: number) => boolean): ByteRange[] {
  const ranges: { start: number; end: number }[] = [];
  data.forEach((byte, i) => {
    if (!isSecret(byte)) return;
    const last = ranges.at(-1);
    if (last !== undefined && last.end === offset + i) last.end++;
    else ranges.push({ start: offset + i, end: offset + i + 1 });
  });
  return ranges;
}

function decoded(bytes: Uint8Array): CommandApdu | undefined {
  try {
    return decodeCommand(bytes);
  } catch {
    return undefined;
  }
}

function dataStart(bytes: Uint8Array): number {
  return bytes[headerLength] === 0 ? headerLength + 3 : headerLength + 1;
}

function dataRange(bytes: Uint8Array, data: Uint8Array): ByteRange[] {
  return data.length === 0 ? [] : range(dataStart(bytes), dataStart(bytes) + data.length);
}

function whole(response: Uint8Array): ByteRange[] {
  return range(0, response.length - 2);
}

function range(start: number, end: number): ByteRange[] {
  return end > start ? [{ start, end }] : [];
}
