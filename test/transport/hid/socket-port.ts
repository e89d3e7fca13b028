import { mkdtempSync, rmSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { concat } from "../../../src/bytes/bytes.ts";
import type { PacketPort } from "../../../src/transport/hid/packet-port.ts";

/** 64-byte packets over a byte stream, which cuts them as it likes. */
export class SocketPort implements PacketPort {
  readonly #socket: Socket;
  #buffer: Uint8Array = new Uint8Array(0);
  #failure: Error | undefined;
  #wake: () => void = () => undefined;

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("data", (part: Uint8Array) => {
      this.#buffer = concat(this.#buffer, part);
      this.#wake();
    });
    const end = (error?: Error) => {
      this.#failure ??= error ?? new Error("the other side hung up");
      this.#wake();
    };
    socket.on("error", end);
    socket.on("close", () => end());
  }

  async read(): Promise<Uint8Array> {
    while (this.#buffer.length < 64) {
      if (this.#failure !== undefined) throw this.#failure;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    const packet = this.#buffer.slice(0, 64);
    this.#buffer = this.#buffer.slice(64);
    return packet;
  }

  /** In two parts, so that the reader has to put them together. */
  async write(packet: Uint8Array): Promise<void> {
    this.#socket.write(packet.slice(0, 13));
    this.#socket.write(packet.slice(13));
  }

  async close(): Promise<void> {
    this.#socket.destroy();
  }
}

/** The two ends of a Unix socket. */
export async function socketPair(): Promise<{ host: SocketPort; device: SocketPort }> {
  const folder = mkdtempSync(join(tmpdir(), "hsmadm-hid-"));
  const server = createServer();
  try {
    const path = join(folder, "hid");
    await new Promise<void>((resolve) => server.listen(path, resolve));
    const accepted = new Promise<Socket>((resolve) => server.once("connection", resolve));
    const host = connect(path);
    return { device: new SocketPort(await accepted), host: new SocketPort(host) };
  } finally {
    server.close();
    rmSync(folder, { recursive: true, force: true });
  }
}
