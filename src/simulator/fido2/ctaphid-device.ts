import { bigEndian, concat } from "../../bytes/bytes.ts";
import type { SimulatedAuthenticator } from "./authenticator.ts";
import {
  broadcastChannel,
  type HidPacket,
  hidCommand,
  hidError,
  longestMessage,
  packetsOf,
  parsePacket,
} from "./ctaphid-packets.ts";

/** Where packets of 64 bytes come from and go to. */
export interface HidPort {
  /** The next packet of the platform; `null` when it is gone. */
  read(): Promise<Uint8Array | null>;
  write(packet: Uint8Array): Promise<void>;
}

/** What a real device does now and then, and a platform has to stand. */
export interface HidFaults {
  /** Another program's INIT is answered first. */
  readonly foreignNonce?: boolean | undefined;
  /** A packet for another program comes before each answer. */
  readonly foreignChannel?: boolean | undefined;
  /** So many requests are answered with "channel busy" first. */
  readonly busy?: number | undefined;
  /** KEEPALIVE "processing" before each answer, so many. */
  readonly keepAlives?: number | undefined;
  /** The second packet of an answer carries a sequence number that is not its own. */
  readonly wrongSequence?: boolean | undefined;
  /** CBOR requests are not answered, and no KEEPALIVE comes. */
  readonly silent?: boolean | undefined;
  /** CTAP errors come as ERROR frames, as old pico-fido firmware sends them. */
  readonly errorFrames?: boolean | undefined;
  /** Between two KEEPALIVEs; 100 when absent. */
  readonly keepAliveMs?: number | undefined;
  /** Longest gap between two packets of a request; 500 when absent. */
  readonly gapMs?: number | undefined;
}

/** Answers CTAPHID for an authenticator until the platform is gone. A command at work is cancelled then. */
export async function serveCtapHid(
  authenticator: SimulatedAuthenticator,
  port: HidPort,
  faults: HidFaults = {},
): Promise<void> {
  const device = new CtapHidDevice(authenticator, port, faults);
  for (let packet = await port.read(); packet !== null; packet = await port.read()) device.take(packet);
  await device.end();
}

/** A request whose packets are still coming. */
interface Incoming {
  readonly channel: number;
  readonly command: number;
  readonly length: number;
  data: Uint8Array;
  sequence: number;
  readonly timer: NodeJS.Timeout;
}

/** A CBOR request that is worked on. */
interface Working {
  readonly channel: number;
  readonly abort: AbortController;
}

/** INIT's answer: protocol 2, device version 1.0.0, capabilities WINK, CBOR and no U2F. */
const initFacts = Uint8Array.of(2, 1, 0, 0, 0x01 | 0x04 | 0x08);
const firstChannel = 0x5153_0001;
const foreignChannel = 0x0bad_0001;
const processing = 1;

class CtapHidDevice {
  readonly #authenticator: SimulatedAuthenticator;
  readonly #port: HidPort;
  readonly #faults: HidFaults;
  #channels = 0;
  #busyLeft: number;
  #incoming: Incoming | null = null;
  #working: Working | null = null;
  #work: Promise<void> = Promise.resolve();
  #writes: Promise<void> = Promise.resolve();

  constructor(authenticator: SimulatedAuthenticator, port: HidPort, faults: HidFaults) {
    this.#authenticator = authenticator;
    this.#port = port;
    this.#faults = faults;
    this.#busyLeft = faults.busy ?? 0;
  }

  take(bytes: Uint8Array): void {
    const packet = parsePacket(bytes);
    if (packet === null) return;
    if (packet.kind === "init") this.#begin(packet);
    else this.#continue(packet);
  }

  async end(): Promise<void> {
    this.#drop();
    this.#working?.abort.abort();
    await this.#work;
    await this.#writes;
  }

  #begin(packet: HidPacket & { readonly kind: "init" }): void {
    const { channel, command, length, data } = packet;
    if (command === hidCommand.init) {
      this.#init(channel, data.subarray(0, 8), length);
      return;
    }
    if (channel < firstChannel || channel >= firstChannel + this.#channels) {
      this.#error(channel, hidError.invalidChannel);
      return;
    }
    if (command === hidCommand.cancel) {
      if (this.#working?.channel === channel) this.#working.abort.abort();
      return;
    }
    if (this.#incoming?.channel === channel) {
      this.#drop();
      this.#error(channel, hidError.invalidSequence);
      return;
    }
    if (this.#incoming !== null || this.#working !== null) {
      this.#error(channel, hidError.busy);
      return;
    }
    if (length > longestMessage) {
      this.#error(channel, hidError.invalidLength);
      return;
    }
    const timer = setTimeout(() => this.#late(), this.#faults.gapMs ?? 500).unref();
    this.#incoming = { channel, command, length, data: data.slice(0, length), sequence: 0, timer };
    this.#runWhenWhole();
  }

  #continue({ channel, sequence, data }: HidPacket & { readonly kind: "continuation" }): void {
    const incoming = this.#incoming;
    if (incoming === null || incoming.channel !== channel) return;
    if (sequence !== incoming.sequence) {
      this.#drop();
      this.#error(channel, hidError.invalidSequence);
      return;
    }
    incoming.sequence += 1;
    incoming.timer.refresh();
    incoming.data = concat(incoming.data, data.subarray(0, incoming.length - incoming.data.length));
    this.#runWhenWhole();
  }

  #runWhenWhole(): void {
    const incoming = this.#incoming;
    if (incoming === null || incoming.data.length < incoming.length) return;
    const { channel, command, data } = incoming;
    this.#drop();
    if (this.#busyLeft > 0) {
      this.#busyLeft -= 1;
      this.#error(channel, hidError.busy);
    } else if (command === hidCommand.ping) {
      this.#send(channel, command, data);
    } else if (command === hidCommand.wink) {
      this.#send(channel, command, new Uint8Array(0));
    } else if (command === hidCommand.cbor) {
      this.#cbor(channel, data);
    } else {
      this.#error(channel, hidError.invalidCommand);
    }
  }

  /** A new channel for whoever asks on the broadcast one; on a channel that is there, a fresh start. */
  #init(channel: number, nonce: Uint8Array, length: number): void {
    if (length !== 8) {
      this.#error(channel, hidError.invalidLength);
      return;
    }
    if (channel === broadcastChannel) {
      if (this.#faults.foreignNonce === true) {
        this.#send(
          channel,
          hidCommand.init,
          concat(
            nonce.map((byte) => byte ^ 0xff),
            bigEndian(foreignChannel, 4),
            initFacts,
          ),
        );
      }
      const made = firstChannel + this.#channels++;
      this.#send(channel, hidCommand.init, concat(nonce, bigEndian(made, 4), initFacts));
      return;
    }
    if (channel < firstChannel || channel >= firstChannel + this.#channels) {
      this.#error(channel, hidError.invalidChannel);
      return;
    }
    if (this.#incoming?.channel === channel) this.#drop();
    if (this.#working?.channel === channel) {
      this.#working.abort.abort();
      this.#working = null;
    }
    this.#send(channel, hidCommand.init, concat(nonce, bigEndian(channel, 4), initFacts));
  }

  #cbor(channel: number, message: Uint8Array): void {
    if (message.length === 0) {
      this.#error(channel, hidError.invalidLength);
      return;
    }
    const working: Working = { channel, abort: new AbortController() };
    this.#working = working;
    if (this.#faults.silent === true) return;
    for (let i = 0; i < (this.#faults.keepAlives ?? 0); i++) this.#keepAlive(channel, processing);
    const before = this.#work;
    this.#work = (async () => {
      // What an INIT gave up may not be over yet.
      await before;
      await this.#answer(working, message);
    })();
  }

  async #answer(working: Working, message: Uint8Array): Promise<void> {
    const { channel, abort } = working;
    let status = processing;
    const timer = setInterval(() => this.#keepAlive(channel, status), this.#faults.keepAliveMs ?? 100).unref();
    const onKeepAlive = (now: number) => {
      status = now;
      this.#keepAlive(channel, now);
    };
    const answer = await this.#authenticator.ctap(message, { signal: abort.signal, onKeepAlive });
    clearInterval(timer);
    if (this.#working !== working) return;
    this.#working = null;
    if (this.#faults.foreignChannel === true) this.#send(foreignChannel, hidCommand.cbor, Uint8Array.of(0x7f));
    const failed = answer[0] !== 0 && this.#faults.errorFrames === true;
    this.#send(channel, failed ? hidCommand.error : hidCommand.cbor, answer);
  }

  #late(): void {
    const channel = this.#incoming?.channel;
    this.#incoming = null;
    if (channel !== undefined) this.#error(channel, hidError.timeout);
  }

  #drop(): void {
    if (this.#incoming !== null) clearTimeout(this.#incoming.timer);
    this.#incoming = null;
  }

  #keepAlive(channel: number, status: number): void {
    this.#send(channel, hidCommand.keepAlive, Uint8Array.of(status));
  }

  #error(channel: number, code: number): void {
    this.#send(channel, hidCommand.error, Uint8Array.of(code));
  }

  #send(channel: number, command: number, data: Uint8Array): void {
    const packets = packetsOf(channel, command, data);
    const second = packets[1];
    if (this.#faults.wrongSequence === true && second !== undefined) second[4] = 0x05;
    for (const packet of packets) {
      // A platform that is gone shows itself at the next read.
      this.#writes = this.#writes.then(() => this.#port.write(packet)).catch(() => {});
    }
  }
}
