import { concat } from "../../../../src/bytes/bytes.ts";
import type { SimulatedAuthenticator } from "../../../../src/simulator/fido2/authenticator.ts";
import { serveCtapHid } from "../../../../src/simulator/fido2/ctaphid-device.ts";
import { packetsOf, parsePacket } from "../../../../src/simulator/fido2/ctaphid-packets.ts";

const broadcast = 0xffff_ffff;
const init = 0x06;
const keepAlive = 0x3b;

export interface HidMessage {
  /** Without the bit 80. */
  readonly command: number;
  readonly data: Uint8Array;
}

/** A host on the cable of an authenticator: whole messages out and in. */
export class HidHost {
  readonly #toDevice: (Uint8Array | null)[] = [];
  readonly #toHost: Uint8Array[] = [];
  #wakeDevice: () => void = () => {};
  #wakeHost: () => void = () => {};
  readonly #served: Promise<void>;
  #channel = broadcast;

  constructor(authenticator: SimulatedAuthenticator, keepAliveMs = 3_600_000) {
    const port = {
      read: async () => {
        while (this.#toDevice.length === 0) await new Promise<void>((resolve) => (this.#wakeDevice = resolve));
        return this.#toDevice.shift() ?? null;
      },
      write: async (packet: Uint8Array) => {
        this.#toHost.push(packet);
        this.#wakeHost();
      },
    };
    this.#served = serveCtapHid(authenticator, port, { keepAliveMs, gapMs: 3_600_000 });
  }

  /** Asks for a channel. @returns what the device says of itself: protocol, version, capabilities */
  async open(nonce: Uint8Array): Promise<Uint8Array> {
    const { data } = await this.exchange(init, nonce);
    this.#channel = new DataView(data.buffer, data.byteOffset).getUint32(8);
    return data.slice(12);
  }

  async exchange(command: number, payload: Uint8Array): Promise<HidMessage> {
    this.send(command, payload);
    let message = await this.#next();
    while (message.command === keepAlive) message = await this.#next();
    return message;
  }

  send(command: number, payload: Uint8Array): void {
    this.#toDevice.push(...packetsOf(this.#channel, command, payload));
    this.#wakeDevice();
  }

  /** The next keep-alives, so many, and nothing else. @returns their statuses */
  async keepAlives(count: number): Promise<number[]> {
    const statuses: number[] = [];
    while (statuses.length < count) {
      const { command, data } = await this.#next();
      if (command !== keepAlive) throw new Error(`an answer after ${statuses.length} keep-alives`);
      statuses.push(data[0] ?? -1);
    }
    return statuses;
  }

  async close(): Promise<void> {
    this.#toDevice.push(null);
    this.#wakeDevice();
    await this.#served;
  }

  async #next(): Promise<HidMessage> {
    const first = parsePacket(await this.#packet());
    if (first?.kind !== "init") throw new Error("a message that does not begin");
    const { command, length } = first;
    let data = first.data.subarray(0, length);
    while (data.length < length) {
      const packet = parsePacket(await this.#packet());
      if (packet?.kind !== "continuation") throw new Error("a message that does not go on");
      data = concat(data, packet.data.subarray(0, length - data.length));
    }
    return { command, data };
  }

  async #packet(): Promise<Uint8Array> {
    while (this.#toHost.length === 0) await new Promise<void>((resolve) => (this.#wakeHost = resolve));
    return this.#toHost.shift() as Uint8Array;
  }
}

/** The whole messages in recorded packets of one direction, without keep-alives. */
export function messagesIn(packets: readonly Uint8Array[]): HidMessage[] {
  const messages: { command: number; data: Uint8Array; length: number }[] = [];
  for (const bytes of packets) {
    const packet = parsePacket(bytes);
    if (packet?.kind === "init") {
      messages.push({ ...packet, data: packet.data.subarray(0, packet.length) });
    } else if (packet !== null) {
      const last = messages.at(-1);
      if (last !== undefined) last.data = concat(last.data, packet.data.subarray(0, last.length - last.data.length));
    }
  }
  return messages.filter(({ command }) => command !== keepAlive);
}
