import { type CommandApdu, decodeCommand } from "../../apdu/command.ts";
import type { ByteRange } from "../../apdu/redaction.ts";
import { concat, equal } from "../../bytes/bytes.ts";
import { toHex } from "../../bytes/hex.ts";
import { applicationId } from "./application.ts";
import { answerFacts, type ReadSoFar } from "./narrator-answer.ts";
import { commandFacts, offsetIn } from "./narrator-command.ts";
import { type Fact, fact } from "./narrator-facts.ts";
import { statusInContext } from "./narrator-status.ts";
import { smartCardHsmRedactor } from "./redactor.ts";

/** An exchange as a trace keeps it: hidden bytes are 0. */
export interface ToldExchange {
  readonly command: Uint8Array;
  readonly hidden: readonly ByteRange[];
  /** With the status word; `null` when none came. */
  readonly answer: Uint8Array | null;
  readonly answerHidden: readonly ByteRange[];
}

/** One exchange in words. */
export interface Narration {
  /** `VERIFY user PIN`. */
  readonly name: string;
  /** What the command says beyond its name. */
  readonly command: readonly Fact[];
  /** What the data of the answer say. */
  readonly answer: readonly Fact[];
  readonly sw: number | null;
  /** The status word as an answer to this command. */
  readonly status: string;
  /** The command with its answer whole, where this exchange brought the last part of it. */
  readonly whole: WholeAnswer | null;
}

/** A command and its answer, joined where it came with 61xx and GET RESPONSE. */
export interface WholeAnswer {
  readonly sent: Uint8Array;
  readonly hidden: readonly ByteRange[];
  readonly command: CommandApdu;
  readonly data: Uint8Array;
  readonly sw: number;
  /** The applet of a SmartCard-HSM was selected, or this selects an applet: the card that answers is meant to be one. */
  readonly ours: boolean;
}

/** An answer that is fetched in parts. */
interface Fetching {
  readonly sent: Uint8Array;
  readonly hidden: readonly ByteRange[];
  readonly command: CommandApdu;
  readonly data: Uint8Array;
}

/**
 * Puts the exchanges of one connection with a SmartCard-HSM into words, in order. It knows what the driver knows: the
 * names and rules of `redaction-rules.ts`, the parsers of the commands, the meaning of status words per command.
 * It follows the selected file, command chains, and answers that come in parts.
 */
export class Narrator {
  readonly #rules = smartCardHsmRedactor();
  /** The applet is selected. */
  #selected = false;
  #selectedFile: number | undefined;
  #read: ReadSoFar | undefined;
  /** The command whose answer is fetched with GET RESPONSE, and what came of it. */
  #fetching: Fetching | undefined;

  narrate({ command: bytes, hidden, answer, answerHidden }: ToldExchange): Narration {
    const { note } = this.#rules.redact(bytes, answer ?? new Uint8Array(0));
    const command = decoded(bytes);
    const sw = answer === null || answer.length < 2 ? null : statusOf(answer);
    const data = answer === null ? new Uint8Array(0) : answer.subarray(0, Math.max(0, answer.length - 2));
    const name = note ?? "a command";
    if (command === null) {
      const facts = [fact("bytes", `${bytes.length}`)];
      return { name, command: facts, answer: [], sw, status: sw === null ? "no answer" : "", whole: null };
    }
    const asked =
      command.ins === 0xc0 && this.#fetching !== undefined ? this.#fetching : { sent: bytes, hidden, command };
    const about = asked.command;
    const told = this.#gather({ ...asked, data }, command.ins === 0xc0, sw);
    return {
      name,
      command: commandFacts(command, hidden.length > 0),
      answer: this.#answer(about, data, told, sw, answerHidden),
      sw,
      status: sw === null ? "no answer" : statusInContext(about, sw),
      whole:
        sw === null || told === null ? null : { ...asked, data: told, sw, ours: this.#selected || about.ins === 0xa4 },
    };
  }

  /** The card was reset or lost its power. */
  restart(): void {
    this.#rules.restart();
    this.#selected = false;
    this.#selectedFile = undefined;
    this.#fetching = undefined;
    this.#read = undefined;
  }

  /** Joins what came in parts; `null` while more is to come. */
  #gather(part: Fetching, fetch: boolean, sw: number | null): Uint8Array | null {
    const before = fetch ? this.#fetching : undefined;
    const whole = before === undefined ? part.data : concat(before.data, part.data);
    const more = sw !== null && sw >> 8 === 0x61;
    this.#fetching = more ? { ...part, data: whole } : undefined;
    if (!fetch) this.#followSelection(part.command, sw);
    return more ? null : whole;
  }

  #followSelection({ ins, p1, data }: CommandApdu, sw: number | null): void {
    if (ins !== 0xa4 || sw === null || (sw !== 0x9000 && sw >> 8 !== 0x61)) return;
    if (p1 === 0x04) this.#selected = data !== undefined && equal(data, applicationId);
    const [high, low, more] = data ?? [];
    const file = p1 !== 0x04 && high !== undefined && low !== undefined && more === undefined;
    this.#selectedFile = file ? high * 256 + low : undefined;
  }

  #answer(
    command: CommandApdu,
    data: Uint8Array,
    told: Uint8Array | null,
    sw: number | null,
    hidden: readonly ByteRange[],
  ): readonly Fact[] {
    if (sw === null || (data.length === 0 && (told === null || told.length === 0))) return [];
    if (hidden.length > 0) return [fact("answer", `${data.length} bytes, hidden`)];
    if (told === null) return [fact("part", `${data.length} bytes`)];
    if (sw !== 0x9000 && sw !== 0x6282) return [fact("answer", toHex(told, " "))];
    return answerFacts(command, told, sw, this.#join(command, told));
  }

  /** Puts the piece of a file behind those before it; one that does not follow on them says nothing of the whole. */
  #join({ ins, p1, p2, data }: CommandApdu, piece: Uint8Array): ReadSoFar | undefined {
    if (ins !== 0xb0 && ins !== 0xb1) return undefined;
    const named = ins === 0xb1 ? p1 * 256 + p2 : 0;
    const file = named === 0 ? this.#selectedFile : named;
    const offset = ins === 0xb0 ? p1 * 256 + p2 : (offsetIn(data ?? new Uint8Array(0)) ?? 0);
    const before = offset === 0 ? new Uint8Array(0) : this.#read?.content;
    const follows = file !== undefined && before?.length === offset && (offset === 0 || this.#read?.file === file);
    this.#read = follows && before !== undefined ? { file, content: concat(before, piece) } : undefined;
    return this.#read;
  }
}

function statusOf(answer: Uint8Array): number {
  return (answer[answer.length - 2] ?? 0) * 256 + (answer[answer.length - 1] ?? 0);
}

function decoded(bytes: Uint8Array): CommandApdu | null {
  try {
    return decodeCommand(bytes);
  } catch {
    return null;
  }
}
