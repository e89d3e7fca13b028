import { concat } from "../../../src/bytes/bytes.ts";
import { fromHex, toHex } from "../../../src/bytes/hex.ts";
import type { PacketPort } from "../../../src/transport/hid/packet-port.ts";

/**
 * The device's end of a packet stream, told by a test what to do packet by packet. Knows nothing of the code under test:
 * packets are written by hand.
 */
export class FakeDevice {
  readonly #port: PacketPort;
  /** Every packet that came, hex, zeros at the end cut off. */
  readonly heard: string[] = [];

  constructor(port: PacketPort) {
    this.#port = port;
  }

  /** Waits for a packet. */
  async hears(): Promise<Uint8Array> {
    const packet = await this.#port.read();
    this.heard.push(
      toHex(packet)
        .toLowerCase()
        .replace(/(00)+$/, ""),
    );
    return packet;
  }

  /** Sends packets; hex, padded here. */
  async says(...packets: string[]): Promise<void> {
    for (const hex of packets) await this.#port.write(concat(fromHex(hex), new Uint8Array(64 - hex.length / 2)));
  }

  /** Gives out the channel 0a0b0c01, whoever asks on the broadcast channel or on it. */
  async givesChannel({ capabilities = "0d", before = [] as string[] } = {}): Promise<void> {
    const init = toHex(await this.hears()).toLowerCase();
    await this.says(...before, `${init.slice(0, 8)}860011${init.slice(14, 30)}0a0b0c0102050701${capabilities}`);
  }

  async close(): Promise<void> {
    await this.#port.close();
  }
}
