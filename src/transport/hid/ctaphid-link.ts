import { TransportError } from "../../apdu/transport-error.ts";
import { equal } from "../../bytes/bytes.ts";
import { hidCommands, hidErrorName, hidErrors } from "./ctaphid-codes.ts";
import { brokenAnswer, inUse, silent } from "./hid-failures.ts";
import { PacketInbox } from "./packet-inbox.ts";
import type { PacketPort } from "./packet-port.ts";
import { broadcastChannel, type FirstPacket, type Packet, packetsOf } from "./packets.ts";
import { PartialMessage } from "./partial-message.ts";

/** Milliseconds. */
export interface HidTiming {
  /** A device that says nothing for so long, not even KEEPALIVE, is broken. */
  readonly silenceMs: number;
  /** How long a command may take, unless it brings its own patience. */
  readonly deadlineMs: number;
  /** Between two attempts while another program has the device. */
  readonly busyPauseMs: number;
}

/** What a device says of itself when it gives out a channel. */
export interface HidDevice {
  readonly protocolVersion: number;
  /** Major, minor, build; the maker's own numbers. */
  readonly deviceVersion: string;
  /** Bits of `hidCapabilities`. */
  readonly capabilities: number;
}

/** ERROR 06: what was sent was not taken, it can be sent again. */
export const channelBusy = Symbol("channel busy");

const nonceLength = 8;
const initAnswerLength = 17;

/**
 * One channel of an authenticator: packets out, packets and whole answers in, with deadlines. Packets of other programs
 * are passed over.
 */
export class CtapHidLink {
  readonly where: string;
  readonly timing: HidTiming;
  device: HidDevice | undefined;
  /** What the device may still send belongs to a message that was given up: an INIT must make it forget the rest. */
  outOfStep = false;
  readonly #port: PacketPort;
  readonly #inbox: PacketInbox;
  readonly #random: (length: number) => Uint8Array;
  #channel: number | undefined;
  #closed = false;

  constructor(
    port: PacketPort,
    where: string,
    timing: HidTiming,
    random: (length: number) => Uint8Array,
    channel: number | undefined,
  ) {
    this.#port = port;
    this.#inbox = new PacketInbox(port);
    this.where = where;
    this.timing = timing;
    this.#random = random;
    this.#channel = channel;
  }

  /** @throws TransportError when the port does not take the packets in time */
  async write(command: number, payload: Uint8Array = new Uint8Array(0), channel = this.#channel): Promise<void> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(silent(this.where, this.timing.silenceMs)), this.timing.silenceMs);
    });
    try {
      for (const packet of packetsOf(channel ?? broadcastChannel, command, payload)) {
        await Promise.race([this.#port.write(packet), late]);
      }
    } finally {
      clearTimeout(timer);
    }
  }

  /**
   * The next packet on our channel. Those of other channels do not count as a sign of life.
   * @param limit asked again for each packet, as a cancellation brings it forward; "late" when it has passed
   * @throws TransportError `TIMEOUT` when `silentAt` passes
   */
  async next(silentAt: number, limit: () => number): Promise<Packet | "late"> {
    for (;;) {
      const end = Math.min(silentAt, limit());
      const packet = await this.#inbox.next(end - now());
      if (packet !== null && packet.channel === this.#channel) return packet;
      if (now() < end) continue;
      if (end === silentAt) throw silent(this.where, this.timing.silenceMs);
      return "late";
    }
  }

  /** The whole of an answer that began. @throws TransportError when packets are missing or another message begins */
  async rest(first: FirstPacket): Promise<Uint8Array> {
    const message = PartialMessage.begin(first);
    if (message === null) throw brokenAnswer(this.where, `the answer claims ${first.length} bytes`);
    for (;;) {
      const { complete, awaited } = message;
      if (complete !== null) return complete;
      const packet = await this.next(now() + this.timing.silenceMs, () => Number.POSITIVE_INFINITY);
      if (packet === "late") throw silent(this.where, this.timing.silenceMs);
      if (packet.kind === "continuation") {
        if (message.add(packet)) continue;
        throw brokenAnswer(
          this.where,
          `packet ${awaited + 2} of the answer bears number ${packet.sequence}, not ${awaited}: the answer is lost`,
        );
      }
      if (packet.command === hidCommands.error) {
        throw brokenAnswer(this.where, `broke off its answer: ${hidErrorName(packet.data[0] ?? 0)}`);
      }
      throw brokenAnswer(this.where, "began another message in the middle of its answer");
    }
  }

  /** Makes sure of a channel on which nothing is under way. @param deadline on the clock of {@link now} */
  async getInStep(deadline: number): Promise<void> {
    if (this.#channel !== undefined && !this.outOfStep) return;
    for (let attempts = 1; ; attempts++) {
      const answer = await this.#init(this.#channel ?? broadcastChannel);
      if (answer !== channelBusy) {
        const view = new DataView(answer.buffer, answer.byteOffset, answer.byteLength);
        this.#channel = view.getUint32(nonceLength);
        this.device = {
          protocolVersion: view.getUint8(12),
          deviceVersion: [view.getUint8(13), view.getUint8(14), view.getUint8(15)].join("."),
          capabilities: view.getUint8(16),
        };
        this.outOfStep = false;
        return;
      }
      await this.pauseWhileBusy(deadline, attempts);
    }
  }

  /** The device does not know our channel any more: another one is asked for next time. */
  forgetChannel(): void {
    this.#channel = undefined;
  }

  /** @throws TransportError `SHARING_VIOLATION` when the deadline would pass meanwhile */
  async pauseWhileBusy(deadline: number, attempts: number, signal?: AbortSignal): Promise<void> {
    if (now() + this.timing.busyPauseMs > deadline) throw inUse(this.where, attempts);
    await pause(this.timing.busyPauseMs, signal);
    if (this.#closed) throw closedAlready(this.where);
  }

  /** Whoever waits for a packet gets `CHANNEL_CLOSED`. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#inbox.stop(closedAlready(this.where));
    await this.#port.close();
  }

  /** One INIT. What is left of earlier messages, and what other programs asked for, comes in before its answer. */
  async #init(channel: number): Promise<Uint8Array | typeof channelBusy> {
    const nonce = this.#random(nonceLength);
    await this.write(hidCommands.init, nonce, channel);
    const end = now() + this.timing.silenceMs;
    for (;;) {
      const packet = await this.#inbox.next(end - now());
      if (packet === null || now() > end) throw silent(this.where, this.timing.silenceMs);
      if (packet.kind !== "first" || packet.channel !== channel) continue;
      const { command, data } = packet;
      if (command === hidCommands.error) {
        const [code] = data;
        if (code === hidErrors.channelBusy) return channelBusy;
        // On the broadcast channel other errors may be meant for another program.
        if (code !== hidErrors.invalidChannel || channel === broadcastChannel) continue;
        this.forgetChannel();
        return this.#init(broadcastChannel);
      }
      if (command !== hidCommands.init || data.length < initAnswerLength) continue;
      if (equal(data.subarray(0, nonceLength), nonce)) return data;
    }
  }
}

export function closedAlready(where: string): TransportError {
  return new TransportError("CHANNEL_CLOSED", `${where} was given back already`);
}

/** Milliseconds of a clock that nobody sets. */
export function now(): number {
  return performance.now();
}

/** Ends early when the signal is given. */
function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal?.addEventListener("abort", done, { once: true });
  });
}
