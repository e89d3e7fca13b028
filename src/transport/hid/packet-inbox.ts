import type { PacketPort } from "./packet-port.ts";
import { type Packet, readPacket } from "./packets.ts";

/**
 * Reads packets with a time limit. A read that was not answered in time goes on: its packet is what the next call gets,
 * so that none is lost and the port never sees two reads at once.
 */
export class PacketInbox {
  readonly #port: PacketPort;
  #reading: Promise<Uint8Array> | undefined;
  #stop: (reason: Error) => void = () => undefined;
  readonly #stopped: Promise<never>;

  constructor(port: PacketPort) {
    this.#port = port;
    this.#stopped = new Promise((_, reject) => {
      this.#stop = reject;
    });
    this.#stopped.catch(() => undefined);
  }

  /**
   * The next packet of any channel.
   * @param ms how long to wait for it, milliseconds
   * @returns `null` when none came in that time
   * @throws what the port throws, or the reason of {@link stop}
   */
  async next(ms: number): Promise<Packet | null> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<null>((resolve) => {
      timer = setTimeout(() => resolve(null), Math.max(0, ms));
    });
    if (this.#reading === undefined) {
      this.#reading = this.#port.read();
      // Somebody may have given up waiting when it fails; who waits next hears of it.
      this.#reading.catch(() => undefined);
    }
    try {
      const bytes = await Promise.race([this.#reading, late, this.#stopped]);
      if (bytes === null) return null;
      this.#reading = undefined;
      return readPacket(bytes);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Whoever waits, now or later, gets this error. */
  stop(reason: Error): void {
    this.#stop(reason);
  }
}
