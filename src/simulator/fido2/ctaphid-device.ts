import { bigEndian, concat } from "../../bytes/bytes.ts";
import type { SimulatedAuthenticator } from "./authenticator.ts";
import { foreignChannel, type HidFaults } from "./ctaphid-faults.ts";
import { HidOutput, type HidPort } from "./ctaphid-output.ts";
import {
  broadcastChannel,
  type HidPacket,
  hidCommand,
  hidError,
  longestMessage,
  parsePacket,
} from "./ctaphid-packets.ts";
import { HidWorker } from "./ctaphid-worker.ts";

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

const protocol = 2;
const firstChannel = 0x5153_0001;

class CtapHidDevice {
  readonly #authenticator: SimulatedAuthenticator;
  readonly #output: HidOutput;
  readonly #worker: HidWorker;
  readonly #faults: HidFaults;
  #channels = 0;
  #busyLeft: number;
  #incoming: Incoming | null = null;

  constructor(authenticator: SimulatedAuthenticator, port: HidPort, faults: HidFaults) {
    this.#authenticator = authenticator;
    this.#output = new HidOutput(port, faults.wrongSequence === true);
    this.#worker = new HidWorker(authenticator, this.#output, faults);
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
    await this.#worker.end();
    await this.#output.written();
  }

  #begin(packet: HidPacket & { readonly kind: "init" }): void {
    const { channel, command, length, data } = packet;
    if (command === hidCommand.init) {
      this.#init(channel, data.subarray(0, 8), length);
      return;
    }
    if (channel < firstChannel || channel >= firstChannel + this.#channels) {
      this.#output.error(channel, hidError.invalidChannel);
      return;
    }
    if (command === hidCommand.cancel) {
      this.#worker.cancel(channel);
      return;
    }
    if (this.#incoming?.channel === channel) {
      this.#drop();
      this.#output.error(channel, hidError.invalidSequence);
      return;
    }
    if (this.#incoming !== null || this.#worker.busy) {
      this.#output.error(channel, hidError.busy);
      return;
    }
    if (length > longestMessage) {
      this.#output.error(channel, hidError.invalidLength);
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
      this.#output.error(channel, hidError.invalidSequence);
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
      this.#output.error(channel, hidError.busy);
    } else if (command === hidCommand.ping) {
      this.#output.send(channel, command, data);
    } else if (command === hidCommand.wink) {
      this.#output.send(channel, command, new Uint8Array(0));
    } else if (command === hidCommand.cbor && data.length === 0) {
      this.#output.error(channel, hidError.invalidLength);
    } else if (
      command === hidCommand.cbor ||
      (command === hidCommand.vendor && this.#authenticator.profile.lock !== null)
    ) {
      this.#worker.begin(channel, command, data);
    } else {
      this.#output.error(channel, hidError.invalidCommand);
    }
  }

  /** A new channel for whoever asks on the broadcast one; on a channel that is there, a fresh start. */
  #init(channel: number, nonce: Uint8Array, length: number): void {
    if (length !== 8) {
      this.#output.error(channel, hidError.invalidLength);
      return;
    }
    if (channel === broadcastChannel) {
      if (this.#faults.foreignNonce === true) {
        this.#output.send(
          channel,
          hidCommand.init,
          concat(
            nonce.map((byte) => byte ^ 0xff),
            bigEndian(foreignChannel, 4),
            this.#initFacts,
          ),
        );
      }
      const made = firstChannel + this.#channels++;
      this.#output.send(channel, hidCommand.init, concat(nonce, bigEndian(made, 4), this.#initFacts));
      return;
    }
    if (channel < firstChannel || channel >= firstChannel + this.#channels) {
      this.#output.error(channel, hidError.invalidChannel);
      return;
    }
    if (this.#incoming?.channel === channel) this.#drop();
    this.#worker.giveUp(channel);
    this.#output.send(channel, hidCommand.init, concat(nonce, bigEndian(channel, 4), this.#initFacts));
  }

  get #initFacts(): Uint8Array {
    return Uint8Array.of(protocol, ...this.#authenticator.profile.hidFacts);
  }

  #late(): void {
    const channel = this.#incoming?.channel;
    this.#incoming = null;
    if (channel !== undefined) this.#output.error(channel, hidError.timeout);
  }

  #drop(): void {
    if (this.#incoming !== null) clearTimeout(this.#incoming.timer);
    this.#incoming = null;
  }
}
