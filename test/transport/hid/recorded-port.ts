import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fromHex, toHex } from "../../../src/bytes/hex.ts";
import type { PacketPort } from "../../../src/transport/hid/packet-port.ts";

const folder = join(import.meta.dirname, "../../recordings/fido2-hid");

export interface RecordedSession {
  readonly session: string;
  readonly inputs: Readonly<Record<string, unknown>>;
  readonly expected: Readonly<Record<string, unknown>>;
  readonly packets: readonly { readonly d: "in" | "out"; readonly p: string; readonly ms: number }[];
}

export function recordedSession(name: string): RecordedSession {
  return JSON.parse(readFileSync(join(folder, `${name}.json`), "utf8")) as RecordedSession;
}

/** Plays the device of a recording: wants the recorded packets in their order and gives the recorded answers. */
export class RecordedPort implements PacketPort {
  readonly #packets: RecordedSession["packets"];
  #next = 0;
  #closed = false;
  #wake: () => void = () => undefined;

  constructor({ packets }: RecordedSession) {
    this.#packets = packets;
  }

  async read(): Promise<Uint8Array> {
    for (;;) {
      if (this.#closed) throw new Error("the port is closed");
      const packet = this.#packets[this.#next];
      if (packet?.d === "in") {
        this.#next++;
        return fromHex(packet.p);
      }
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  async write(packet: Uint8Array): Promise<void> {
    const expected = this.#packets[this.#next];
    if (expected?.d !== "out" || expected.p !== toHex(packet).toLowerCase()) {
      throw new Error(
        `packet ${this.#next}: ${toHex(packet)} was sent, recorded is ${expected?.d ?? "end"} ${expected?.p}`,
      );
    }
    this.#next++;
    this.#wake();
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#wake();
  }

  /** Packets nobody sent or read. */
  get left(): number {
    return this.#packets.length - this.#next;
  }
}

/** The messages of a recording, put together by a reader of the test's own: what is sent, what comes back. */
export function recordedMessages({ packets }: RecordedSession): { request: Uint8Array; answer: Uint8Array }[] {
  const messages: { direction: "in" | "out"; command: number; bytes: number[]; length: number }[] = [];
  for (const { d, p } of packets) {
    const bytes = [...fromHex(p)];
    const [mark = 0, high = 0, low = 0] = bytes.slice(4);
    const last = messages.findLast(({ direction }) => direction === d);
    if (mark >= 0x80)
      messages.push({ direction: d, command: mark & 0x7f, bytes: bytes.slice(7), length: high * 256 + low });
    else last?.bytes.push(...bytes.slice(5));
  }
  const whole = messages
    .filter(({ command }) => command === 0x10)
    .map(({ direction, bytes, length }) => ({ direction, bytes: Uint8Array.from(bytes.slice(0, length)) }));
  return whole.flatMap(({ direction, bytes }, i) => {
    const answer = whole.slice(i + 1).find((message) => message.direction === "in");
    return direction === "out" && answer !== undefined ? [{ request: bytes, answer: answer.bytes }] : [];
  });
}
