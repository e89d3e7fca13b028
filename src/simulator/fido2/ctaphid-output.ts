import { hidCommand, packetsOf } from "./ctaphid-packets.ts";

/** Where packets of 64 bytes come from and go to. */
export interface HidPort {
  /** The next packet of the platform; `null` when it is gone. */
  read(): Promise<Uint8Array | null>;
  write(packet: Uint8Array): Promise<void>;
}

/** Writes messages in the order in which they are given. */
export class HidOutput {
  readonly #port: HidPort;
  readonly #wrongSequence: boolean;
  #writes: Promise<void> = Promise.resolve();

  /** @param wrongSequence the second packet of a message bears a number that is not its own */
  constructor(port: HidPort, wrongSequence: boolean) {
    this.#port = port;
    this.#wrongSequence = wrongSequence;
  }

  send(channel: number, command: number, data: Uint8Array): void {
    const packets = packetsOf(channel, command, data);
    const second = packets[1];
    if (this.#wrongSequence && second !== undefined) second[4] = 0x05;
    for (const packet of packets) {
      // A platform that is gone shows itself at the next read.
      this.#writes = this.#writes.then(() => this.#port.write(packet)).catch(() => {});
    }
  }

  keepAlive(channel: number, status: number): void {
    this.send(channel, hidCommand.keepAlive, Uint8Array.of(status));
  }

  error(channel: number, code: number): void {
    this.send(channel, hidCommand.error, Uint8Array.of(code));
  }

  /** When all is written. */
  async written(): Promise<void> {
    await this.#writes;
  }
}
