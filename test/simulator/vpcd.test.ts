import { once } from "node:events";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { concat } from "../../src/bytes/bytes.ts";
import { fromHex, toHex } from "../../src/bytes/hex.ts";
import { repeatableWorld } from "../../src/simulator/repeatable-world.ts";
import { SimulatedToken } from "../../src/simulator/simulator.ts";
import { serveVpcd, type VpcdEvent } from "../../src/simulator/vpcd.ts";
import { encodeFrame, FrameReader } from "../../src/simulator/vpcd-frames.ts";
import { generateRsa, initialize, selectApplet, verifyPin } from "./support/token.ts";

/** The side of pcscd, as far as vpcd's protocol goes. */
class FakeVpcd {
  readonly server: Server = createServer();
  readonly #waiting: Socket[] = [];

  async listen(): Promise<number> {
    this.server.on("connection", (socket) => this.#waiting.push(socket));
    this.server.listen(0, "127.0.0.1");
    await once(this.server, "listening");
    return (this.server.address() as AddressInfo).port;
  }

  /** The next connection. */
  async card(): Promise<FakeReader> {
    if (this.#waiting.length === 0) await once(this.server, "connection");
    const socket = this.#waiting.shift();
    if (socket === undefined) throw new Error("no connection");
    return new FakeReader(socket);
  }
}

class FakeReader {
  readonly socket: Socket;
  #frames: Uint8Array = new Uint8Array(0);

  constructor(socket: Socket) {
    this.socket = socket;
    socket.on("data", (bytes) => {
      this.#frames = concat(this.#frames, new Uint8Array(bytes));
    });
  }

  control(code: number): void {
    this.socket.write(Uint8Array.of(0, 1, code));
  }

  async ask(hex: string): Promise<string> {
    this.socket.write(encodeFrame(fromHex(hex)));
    return this.answer();
  }

  async answer(): Promise<string> {
    for (;;) {
      const [high, low] = this.#frames;
      if (high !== undefined && low !== undefined && this.#frames.length >= 2 + high * 256 + low) {
        const end = 2 + high * 256 + low;
        const frame = this.#frames.slice(2, end);
        this.#frames = this.#frames.slice(end);
        return toHex(frame);
      }
      await once(this.socket, "data");
    }
  }
}

let vpcd: FakeVpcd;
let port: number;
let end: AbortController;
let token: SimulatedToken;
let events: VpcdEvent[];
let service: Promise<void>;

beforeEach(async () => {
  vpcd = new FakeVpcd();
  port = await vpcd.listen();
  end = new AbortController();
  token = SimulatedToken.create(repeatableWorld("vpcd"), { profile: "genuine" });
  events = [];
  service = serveVpcd(token, { port, signal: end.signal, onEvent: (event) => events.push(event) });
});
afterEach(async () => {
  end.abort();
  await service;
  vpcd.server.close();
});

const atr = "3BDE18FF8191FE1FC38031815448534D317380214081071C";

describe("a token served to vpcd", () => {
  test("tells its ATR and answers commands", async () => {
    const reader = await vpcd.card();
    reader.control(0x01);
    reader.control(0x04);
    expect(await reader.answer()).toBe(atr);
    expect(await reader.ask(selectApplet)).toBe("6F0A82017885050000000401" + "9000");
    expect(events).toEqual([{ kind: "connected" }]);
  });

  test("understands messages that come in pieces, or several at once", async () => {
    const reader = await vpcd.card();
    const both = concat(encodeFrame(fromHex(selectApplet)), encodeFrame(fromHex("00200088")));
    for (const byte of both) {
      reader.socket.write(Uint8Array.of(byte));
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(await reader.answer()).toMatch(/9000$/);
    expect(await reader.answer()).toBe("6A88");
    reader.socket.write(both);
    expect(await reader.answer()).toMatch(/9000$/);
    expect(await reader.answer()).toBe("6A88");
  });

  test.each([
    ["power off", 0x00],
    ["power on", 0x01],
    ["reset", 0x02],
  ])("is logged out by %s", async (_, code) => {
    const reader = await vpcd.card();
    for (const command of [selectApplet, initialize(), verifyPin]) await reader.ask(command);
    expect(await reader.ask("00200081")).toBe("9000");
    reader.control(code);
    await reader.ask(selectApplet);
    expect(await reader.ask("00200081")).toBe("63C3");
  });

  test("comes back when pcscd restarts, and keeps its state", async () => {
    const reader = await vpcd.card();
    for (const command of [selectApplet, initialize()]) await reader.ask(command);
    reader.socket.destroy();
    const again = await vpcd.card();
    await again.ask(selectApplet);
    expect(await again.ask("00200081")).toBe("63C3");
    expect(events.map(({ kind }) => kind)).toEqual(["connected", "disconnected", "connected"]);
  });

  test("gives a connection up when what comes is not vpcd's, and says so", async () => {
    const reader = await vpcd.card();
    reader.socket.write(Uint8Array.of(0, 0));
    await once(reader.socket, "close");
    const again = await vpcd.card();
    again.control(0x77);
    await once(again.socket, "close");
    await vpcd.card();
    expect(events).toContainEqual({ kind: "waiting", reason: expect.stringContaining("not vpcd") });
  });

  test("ends with the signal, connected or not", async () => {
    await vpcd.card();
    end.abort();
    await service;
    const nobody = new AbortController();
    const told: VpcdEvent[] = [];
    vpcd.server.close();
    const waiting = serveVpcd(token, {
      port,
      signal: nobody.signal,
      onEvent: (event) => {
        told.push(event);
        nobody.abort();
      },
    });
    await waiting;
    expect(told).toEqual([{ kind: "waiting", reason: expect.stringContaining("ECONNREFUSED") }]);
  });

  test("is served to this machine only", async () => {
    await expect(serveVpcd(token, { host: "192.0.2.1", signal: end.signal })).rejects.toMatchObject({
      code: "VPCD_HOST",
    });
  });

  test("does not hold up another one while it makes a key", async () => {
    const reader = await vpcd.card();
    let makeKey: () => void = () => {};
    const until = new Promise<void>((resolve) => {
      makeKey = resolve;
    });
    const quick = repeatableWorld("slow");
    const slowWorld = {
      ...quick,
      rsaKey: async (bits: number) => {
        await until;
        return quick.rsaKey(bits);
      },
    };
    const slow = SimulatedToken.create(slowWorld, { profile: "genuine" });
    const other = serveVpcd(slow, { port, signal: end.signal });
    const slowReader = await vpcd.card();
    for (const command of [selectApplet, initialize(), verifyPin]) await slowReader.ask(command);
    const key = slowReader.ask(generateRsa);
    expect(await reader.ask(selectApplet)).toMatch(/9000$/);
    makeKey();
    expect(await key).toMatch(/^67.*9000$/);
    end.abort();
    await other;
  });
});

describe("frames", () => {
  test("come out as they went in, however the stream is cut", () => {
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ minLength: 2, maxLength: 600 }), { maxLength: 6 }),
        fc.integer({ min: 1, max: 700 }),
        (apdus, cut) => {
          const stream = concat(...apdus.map(encodeFrame));
          const reader = new FrameReader();
          const messages = [];
          for (let at = 0; at < stream.length; at += cut) messages.push(...reader.push(stream.subarray(at, at + cut)));
          expect(messages.map((message) => (message.kind === "command" ? toHex(message.apdu) : message.code))).toEqual(
            apdus.map((apdu) => toHex(apdu)),
          );
        },
      ),
    );
  });
});
