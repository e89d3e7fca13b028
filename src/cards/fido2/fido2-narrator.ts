import { type CommandApdu, decodeCommand } from "../../apdu/command.ts";
import { meaningOf } from "../../apdu/status-word.ts";
import { asciiText, concat, equal } from "../../bytes/bytes.ts";
import { toHex } from "../../bytes/hex.ts";
import type { Narration, ToldExchange } from "../smartcard-hsm/narrator.ts";
import { type Fact, fact } from "../smartcard-hsm/narrator-facts.ts";
import { type CborMap, decodeCbor } from "./cbor.ts";
import { describeCtapStatus } from "./ctap-status.ts";
import { fidoApplicationId } from "./fido2-application.ts";
import { fido2Redactor } from "./fido2-redactor.ts";
import { mapFacts } from "./narrator-facts.ts";

/** Who puts exchanges into words: one for each connection. */
export interface ExchangeNarrator {
  narrate(exchange: ToldExchange): Narration;
  restart(): void;
}

const notYet = 0x9100;
const keepAlives: Readonly<Record<number, string>> = { 1: "working", 2: "waiting for a touch" };

/**
 * Puts exchanges with a FIDO2 token into words while its applet is selected, and hands the others on. It follows chains
 * and answers that come in parts or later.
 */
export class Fido2Narrator implements ExchangeNarrator {
  readonly #elsewhere: ExchangeNarrator;
  readonly #rules = fido2Redactor();
  #selected = false;
  #request: Uint8Array = new Uint8Array(0);
  #chained = false;
  #answer: Uint8Array = new Uint8Array(0);
  #covered = false;

  constructor(elsewhere: ExchangeNarrator) {
    this.#elsewhere = elsewhere;
  }

  narrate(exchange: ToldExchange): Narration {
    const { command: bytes, answer, hidden, answerHidden } = exchange;
    const { note } = this.#rules.redact(bytes, answer ?? new Uint8Array(0));
    const command = decoded(bytes);
    const selects = command?.ins === 0xa4 && command.p1 === 0x04;
    if (selects || !this.#selected || command === null) {
      const told = this.#elsewhere.narrate(exchange);
      const fido = selects && command?.data !== undefined && equal(command.data, fidoApplicationId);
      if (selects && (told.sw === 0x9000 || (told.sw ?? 0) >> 8 === 0x61)) this.#selected = fido;
      if (!fido) return told;
      // FIDO_2_0 or U2F_V2, in ASCII.
      const says = answer === null ? null : asciiText(answer.subarray(0, -2));
      const facts = says === null || says === "" ? [] : [fact("says", says)];
      return { ...told, command: [fact("application", "FIDO2")], answer: facts, whole: null };
    }
    const sw = answer === null || answer.length < 2 ? null : (answer.at(-2) ?? 0) * 256 + (answer.at(-1) ?? 0);
    const data = answer === null ? new Uint8Array(0) : answer.subarray(0, Math.max(0, answer.length - 2));
    const facts = this.#followRequest(command, hidden.length > 0);
    this.#covered ||= answerHidden.length > 0;
    return {
      name: note ?? "a command",
      command: facts,
      ...this.#followAnswer(data, sw),
      sw,
      whole: null,
    };
  }

  restart(): void {
    this.#rules.restart();
    this.#elsewhere.restart();
    this.#selected = false;
    this.#chained = false;
    this.#answer = new Uint8Array(0);
  }

  #followRequest({ cla, ins, data }: CommandApdu, covered: boolean): Fact[] {
    if (ins !== 0x10 || data === undefined) return [];
    this.#request = this.#chained ? concat(this.#request, data) : data;
    this.#covered = (this.#chained && this.#covered) || covered;
    this.#chained = (cla & 0x10) !== 0;
    this.#answer = new Uint8Array(0);
    if (this.#chained) return [fact("part", `${data.length} bytes`)];
    const [command = 0] = this.#request;
    return factsOf(command, "request", this.#request.subarray(1), this.#covered);
  }

  #followAnswer(data: Uint8Array, sw: number | null): { readonly answer: readonly Fact[]; readonly status: string } {
    if (sw === null) return { answer: [], status: "no answer" };
    if (sw === notYet) return { answer: [], status: `not yet: ${keepAlives[data[0] ?? 0] ?? toHex(data)}` };
    this.#answer = concat(this.#answer, data);
    if (sw >> 8 === 0x61) return { answer: [fact("part", `${data.length} bytes`)], status: meaningOf(sw) };
    const [status] = this.#answer;
    if (sw !== 0x9000 || status === undefined || this.#chained) return { answer: [], status: meaningOf(sw) };
    const [command = 0] = this.#request;
    const body = this.#answer.subarray(1);
    const covered = this.#covered;
    this.#answer = new Uint8Array(0);
    return { answer: factsOf(command, "answer", body, covered), status: `CTAP ${describeCtapStatus(status)}` };
  }
}

function factsOf(command: number, part: "request" | "answer", body: Uint8Array, covered: boolean): Fact[] {
  if (body.length === 0) return [];
  try {
    const map = decodeCbor(body, "a trace");
    if (map instanceof Map) return mapFacts(command, part, map as CborMap, covered);
  } catch {
    // Covered as a whole, or no CBOR: its length is all there is to tell.
  }
  return [fact(part, `${body.length} bytes${covered ? ", hidden" : ""}`)];
}

function decoded(bytes: Uint8Array): CommandApdu | null {
  try {
    return decodeCommand(bytes);
  } catch {
    return null;
  }
}
