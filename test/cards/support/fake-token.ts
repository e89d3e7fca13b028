import type { CardChannel } from "../../../src/apdu/channel.ts";
import { type CommandApdu, decodeCommand } from "../../../src/apdu/command.ts";
import { concat, equal } from "../../../src/bytes/bytes.ts";
import { fromHex, toHex } from "../../../src/bytes/hex.ts";
import { readTlv, readTlvs, requireTlv } from "../../../src/bytes/tlv.ts";

/**
 * The least that behaves like a genuine token in the commands of this room: counters, login, a few files. It has hooks
 * for everything that can go wrong. Not the simulator, which lives in its own room and is more of a card.
 */
export class FakeToken implements CardChannel {
  readonly atr = fromHex("3BDE18FF8191FE1FC38031815448534D317380214081071C");
  readonly where = "fake token";
  readonly sent: string[] = [];
  userPin: Uint8Array | null = null;
  soPin: Uint8Array | null = null;
  userTries = 3;
  maxUserTries = 3;
  soTries = 15;
  options = 0;
  transport = false;
  shares: number | null = null;
  outstanding = 0;
  selected = false;
  loggedIn = false;
  readonly files = new Map<number, Uint8Array>();
  /** Sees each command first: returns bytes or an error instead of, or (after: true) behind, the token's own work. */
  before: ((index: number, command: Uint8Array) => Uint8Array | Error | undefined) | undefined;
  /** The work is done, the answer is replaced or lost. */
  after: ((index: number, answer: Uint8Array) => Uint8Array | Error | undefined) | undefined;

  static initialised(userPin = "648219", soPin = "3537363231383830"): FakeToken {
    const token = new FakeToken();
    token.userPin = new TextEncoder().encode(userPin);
    token.soPin = fromHex(soPin);
    token.options = 1;
    return token;
  }

  /** How many commands that present a PIN have come, by instruction. */
  get attempts(): string[] {
    return this.sent.filter((hex) => /^00(20|24|2C)00/.test(hex) && hex.length > 8).concat(this.initialisations);
  }

  get initialisations(): string[] {
    return this.sent.filter((hex) => hex.startsWith("80500000"));
  }

  async transceive(bytes: Uint8Array): Promise<Uint8Array> {
    const index = this.sent.length;
    this.sent.push(toHex(bytes));
    const instead = this.before?.(index, bytes);
    if (instead instanceof Error) throw instead;
    if (instead !== undefined) return instead;
    const answer = fromHex(this.#work(decodeCommand(bytes)));
    const other = this.after?.(index, answer);
    if (other instanceof Error) throw other;
    return other ?? answer;
  }

  /** What a reset by another program does to the card. */
  powerCycle(): void {
    this.selected = false;
    this.loggedIn = false;
  }

  async reset(): Promise<void> {
    this.powerCycle();
  }
  async close(): Promise<void> {}

  #work(command: CommandApdu): string {
    const { ins, p1, p2, data = new Uint8Array(0) } = command;
    if (ins === 0xa4) {
      this.selected = true;
      this.loggedIn = false;
      return `6F0A8201788505${this.options.toString(16).padStart(4, "0")}0004019000`;
    }
    if (!this.selected) return "6D00";
    switch (ins) {
      case 0x20:
        return p2 === 0x81 ? this.#user(data) : this.#so(data);
      case 0x24: {
        const current = p2 === 0x81 ? this.userPin : this.soPin;
        if (current === null) return "6A88";
        const answer = this.#compare(p2 === 0x81, data.subarray(0, current.length));
        if (answer !== "9000") return answer;
        if (p2 === 0x81) this.userPin = data.slice(current.length);
        else this.soPin = data.slice(current.length);
        if (p2 === 0x81) this.transport = false;
        return answer;
      }
      case 0x2c: {
        const answer = this.#so(data.subarray(0, 8));
        if (answer !== "9000") return answer;
        if (p1 === 0) this.userPin = data.slice(8);
        this.userTries = this.maxUserTries;
        return answer;
      }
      case 0x50:
        return this.#initialise(data);
      case 0x52:
        if (p2 > 0) return "6A86";
        return this.shares === null ? "6D00" : `${byte(this.shares)}${byte(this.outstanding)}00000000000000009000`;
      case 0xb1: {
        const file = this.files.get(p1 * 256 + p2);
        const offset = (data[2] ?? 0) * 256 + (data[3] ?? 0);
        return file === undefined ? "6A82" : `${toHex(file.subarray(offset))}6282`;
      }
      case 0xd7: {
        if (!this.loggedIn) return "6982";
        const content = readTlv(data, "write", 4).value;
        const offset = (data[2] ?? 0) * 256 + (data[3] ?? 0);
        const old = this.files.get(p1 * 256 + p2) ?? new Uint8Array(0);
        const end = offset + content.length;
        this.files.set(p1 * 256 + p2, concat(old.subarray(0, offset), content, old.subarray(end)));
        return "9000";
      }
      case 0xe4:
        if (!this.loggedIn) return "6982";
        return this.files.delete((data[0] ?? 0) * 256 + (data[1] ?? 0)) ? "9000" : "6A82";
      case 0x58:
        return `${[...this.files.keys()].map((fid) => fid.toString(16).padStart(4, "0")).join("")}00009000`;
      case 0x84:
        return `${"A5".repeat(command.le ?? 0)}9000`;
      default:
        return "6D00";
    }
  }

  #user(pin: Uint8Array): string {
    if (this.userPin === null) return "6A88";
    if (this.transport) return "6984";
    if (pin.length > 0) return this.#compare(true, pin);
    if (this.loggedIn) return "9000";
    return this.userTries === 0 ? "6983" : `63C${this.userTries.toString(16)}`;
  }

  #so(pin: Uint8Array): string {
    if (this.soPin === null) return "6A88";
    if (pin.length > 0) return this.#compare(false, pin);
    return this.soTries === 0 ? "6983" : `63C${this.soTries.toString(16)}`;
  }

  #compare(user: boolean, pin: Uint8Array): string {
    const tries = user ? this.userTries : this.soTries;
    this.loggedIn = false;
    if (tries === 0) return "6983";
    const right = equal(pin, (user ? this.userPin : this.soPin) ?? new Uint8Array(0));
    const left = right ? (user ? this.maxUserTries : 15) : tries - 1;
    if (user) this.userTries = left;
    else this.soTries = left;
    if (right && user) this.loggedIn = true;
    return right ? "9000" : `63C${left.toString(16)}`;
  }

  #initialise(data: Uint8Array): string {
    const objects = readTlvs(data, "INITIALIZE");
    const soPin = requireTlv(objects, 0x82, "INITIALIZE");
    if (this.soPin !== null) {
      const answer = this.#compare(false, soPin);
      // A genuine card may hide the counter here (reference, open question 1).
      if (answer !== "9000") return answer === "6983" ? answer : "6985";
    }
    const of = (tag: number): Uint8Array | undefined => objects.find((object) => object.tag === tag)?.value;
    this.soPin = soPin.slice();
    this.userPin = of(0x81)?.slice() ?? null;
    this.maxUserTries = of(0x91)?.[0] ?? 3;
    this.userTries = this.maxUserTries;
    this.options = of(0x80)?.[1] ?? 0;
    this.transport = (this.options & 2) !== 0;
    this.shares = of(0x92)?.[0] ?? null;
    this.outstanding = this.shares ?? 0;
    this.files.delete(0x2f03);
    return "9000";
  }
}

function byte(value: number): string {
  return value.toString(16).padStart(2, "0");
}
