import { type CommandApdu, decodeCommand } from "../../apdu/command.ts";
import { encodeResponse, type ResponseApdu } from "../../apdu/response.ts";
import { SW } from "../../apdu/status-word.ts";
import { concat, equal } from "../../bytes/bytes.ts";
import { fromHex } from "../../bytes/hex.ts";
import { ok, Refusal, refuse } from "../card.ts";
import type { SimulatedAuthenticator } from "./authenticator.ts";

/** CTAP2 in APDUs, the card's side (reference section 2). */

const aid = fromHex("A0000006472F0001");
/** Where Pico FIDO takes vendor commands, the same applet once more. */
const vendorAid = fromHex("B0000006472F0001");
/** `FIDO_2_0`: CTAP2 and no U2F. */
const selectAnswer = fromHex("4649444F5F325F30");

const instruction = {
  select: 0xa4,
  getResponse: 0xc0,
  message: 0x10,
  poll: 0x11,
  control: 0x12,
  vendor: 0x41,
} as const;
/** CLA: more parts of this command follow. */
const chainingBit = 0x10;
/** P1 of a message: the reader understands 9100. */
const pollingBit = 0x80;
const cancel = 0x11;
const stillWorking = 0x9100;
const vendorRefusal = 0x6400;
const nothing = new Uint8Array(0);

export class ApduLink {
  readonly #authenticator: SimulatedAuthenticator;
  #selected = false;
  /** Answered while not selected. */
  #unselected: number = SW.noCurrentFile;
  /** After NFCCTAP_CONTROL: everything is answered 9000 and nothing, until SELECT. */
  #ended = false;
  #chain: { readonly header: number; readonly data: Uint8Array } | null = null;
  #rest: Uint8Array = nothing;
  #work: Work | null = null;
  /** A message that was given up and is not over yet. */
  #ending: Promise<unknown> = Promise.resolve();

  constructor(authenticator: SimulatedAuthenticator) {
    this.#authenticator = authenticator;
  }

  powerOff(): void {
    this.#giveUp();
    this.#ended = false;
    this.deselect();
  }

  /** @param sw answered from now on to everything but SELECT */
  deselect(sw: number = SW.noCurrentFile): void {
    this.#selected = false;
    this.#unselected = sw;
    this.#chain = null;
    this.#rest = nothing;
  }

  async transceive(bytes: Uint8Array): Promise<Uint8Array> {
    try {
      return encodeResponse(await this.#execute(parse(bytes)));
    } catch (error) {
      return encodeResponse({ data: nothing, sw: error instanceof Refusal ? error.sw : SW.unknown });
    }
  }

  async #execute(command: CommandApdu): Promise<ResponseApdu> {
    if (command.extended === true && !this.#authenticator.profile.extendedApdus) refuse(SW.wrongLength);
    if (command.cla === 0x00 && command.ins === instruction.select) return this.#select(command);
    if (this.#ended) return ok();
    if (!this.#selected) refuse(this.#unselected);
    if (command.ins === instruction.getResponse && (command.cla === 0x00 || command.cla === 0x80))
      return this.#getResponse(command);
    this.#rest = nothing;
    if (command.ins !== instruction.message && command.ins !== instruction.vendor) this.#chain = null;
    if (command.cla === 0x00) refuse(SW.insNotSupported);
    if ((command.cla & ~chainingBit) !== 0x80) refuse(SW.claNotSupported);
    switch (command.ins) {
      case instruction.message:
        return this.#message(command);
      case instruction.poll:
        return this.#poll(command);
      case instruction.vendor:
        return this.#vendor(command);
      case instruction.control:
        return this.#control(command);
      default:
        return refuse(SW.insNotSupported);
    }
  }

  #select({ p1, data }: CommandApdu): ResponseApdu {
    const { lock, unknownAid } = this.#authenticator.profile;
    const aids = lock?.vendorApdus === true ? [aid, vendorAid] : [aid];
    if (p1 !== 0x04 || !aids.some((one) => equal(data ?? nothing, one))) refuse(unknownAid);
    this.powerOff();
    this.#selected = true;
    return ok(selectAnswer);
  }

  async #message(part: CommandApdu): Promise<ResponseApdu> {
    const command = this.#joined(part);
    if (command === null) return ok();
    // A new message ends what an impatient reader left behind.
    this.#giveUp();
    await this.#ending;
    const work = startWork(this.#authenticator, command.data ?? nothing);
    this.#work = work;
    return (command.p1 & pollingBit) === 0 ? this.#finish(command, await work.done) : this.#look(command, work);
  }

  /** A refusal is told by its status word: there is no status byte in the data. */
  async #vendor(part: CommandApdu): Promise<ResponseApdu> {
    if (this.#authenticator.profile.lock?.vendorApdus !== true) refuse(SW.insNotSupported);
    const command = this.#joined(part);
    if (command === null) return ok();
    this.#giveUp();
    await this.#ending;
    const answer = await this.#authenticator.vendor(command.data ?? nothing);
    const [status = 0] = answer;
    if (status !== 0) refuse(vendorRefusal + status);
    return this.#fit(command, answer.subarray(1));
  }

  async #poll(command: CommandApdu): Promise<ResponseApdu> {
    const work = this.#work;
    if (work === null) return refuse(SW.insNotSupported);
    if (command.p1 !== cancel) return this.#look(command, work);
    work.abort.abort();
    return this.#finish(command, await work.done);
  }

  #control({ p1 }: CommandApdu): ResponseApdu {
    if (p1 !== 0x01) refuse(SW.wrongP1P2);
    this.powerOff();
    this.#ended = true;
    return ok();
  }

  #giveUp(): void {
    if (this.#work === null) return;
    this.#work.abort.abort();
    this.#ending = this.#work.done;
    this.#work = null;
  }

  /** The answer if it is there by now, else what the authenticator waits for. */
  async #look(command: CommandApdu, work: Work): Promise<ResponseApdu> {
    const answer = await Promise.race([work.done, work.waits]);
    if (answer !== null) return this.#finish(command, answer);
    work.waits = nextTurn();
    return { data: Uint8Array.of(work.status), sw: stillWorking };
  }

  #finish(command: CommandApdu, answer: Uint8Array): ResponseApdu {
    this.#work = null;
    return this.#fit(command, answer);
  }

  #getResponse(command: CommandApdu): ResponseApdu {
    if (this.#rest.length === 0) refuse(SW.conditionsNotSatisfied);
    return this.#fit(command, this.#rest);
  }

  /** Without Le, in the extended form too, no more than a short answer is safe to send. */
  #fit({ le = 256, extended }: CommandApdu, answer: Uint8Array): ResponseApdu {
    const most = extended === true ? le : Math.min(le, this.#authenticator.profile.responsePart);
    this.#rest = answer.slice(most);
    const left = this.#rest.length;
    return { data: answer.subarray(0, most), sw: left === 0 ? SW.ok : 0x6100 + (left > 0xff ? 0 : left) };
  }

  /** @returns the whole command after its last part, `null` before */
  #joined(part: CommandApdu): CommandApdu | null {
    const header = (part.ins * 256 + part.p1) * 256 + part.p2;
    const begun = this.#chain?.header === header ? this.#chain.data : nothing;
    this.#chain = null;
    const data = concat(begun, part.data ?? nothing);
    if (data.length > this.#authenticator.profile.maxMessage) refuse(SW.wrongLength);
    if ((part.cla & chainingBit) === 0) return { ...part, data };
    this.#chain = { header, data };
    return null;
  }
}

/** A message that is being worked on. */
interface Work {
  readonly abort: AbortController;
  readonly done: Promise<Uint8Array>;
  /** Comes when the authenticator has to say 9100. */
  waits: Promise<null>;
  /** What it waits for: 1 working, 2 a touch. */
  status: number;
}

function startWork(authenticator: SimulatedAuthenticator, message: Uint8Array): Work {
  const abort = new AbortController();
  let touchAsked: () => void = () => {};
  const waits = new Promise<void>((resolve) => {
    touchAsked = resolve;
  }).then(nextTurn);
  const work: { status: number } = { status: 1 };
  const done = authenticator.ctap(message, {
    signal: abort.signal,
    onKeepAlive: (status) => {
      work.status = status;
      touchAsked();
    },
  });
  return Object.assign(work, { abort, done, waits });
}

/** An authenticator that touches itself has done so by then. */
function nextTurn(): Promise<null> {
  return new Promise((resolve) => setImmediate(resolve, null));
}

function parse(bytes: Uint8Array): CommandApdu {
  try {
    return decodeCommand(bytes);
  } catch {
    throw new Refusal(SW.wrongLength);
  }
}
