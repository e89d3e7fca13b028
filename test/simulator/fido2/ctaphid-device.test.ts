import { describe, expect, test } from "vitest";
import { concat } from "../../../src/bytes/bytes.ts";
import { fromHex, toHex } from "../../../src/bytes/hex.ts";
import { SimulatedAuthenticator } from "../../../src/simulator/fido2/authenticator.ts";
import { serveCtapHid } from "../../../src/simulator/fido2/ctaphid-device.ts";
import type { HidFaults } from "../../../src/simulator/fido2/ctaphid-faults.ts";
import type { Touch } from "../../../src/simulator/fido2/device.ts";
import { world } from "./support/client.ts";

/** The platform's end of the cable. */
class Cable {
  readonly #toDevice: (Uint8Array | null)[] = [];
  readonly #toPlatform: Uint8Array[] = [];
  #wakeDevice: () => void = () => {};
  #wakePlatform: () => void = () => {};
  readonly service: Promise<void>;

  constructor(faults: HidFaults = {}, touch?: Touch) {
    const authenticator = SimulatedAuthenticator.create(world(), { touch });
    const port = {
      read: async () => {
        while (this.#toDevice.length === 0) await new Promise<void>((resolve) => (this.#wakeDevice = resolve));
        return this.#toDevice.shift() ?? null;
      },
      write: async (packet: Uint8Array) => {
        this.#toPlatform.push(packet);
        this.#wakePlatform();
      },
    };
    this.service = serveCtapHid(authenticator, port, { keepAliveMs: 3_600_000, ...faults });
  }

  /** Hex is filled up with zeros to 64 bytes. */
  send(hex: string): void {
    const packet = new Uint8Array(64);
    packet.set(fromHex(hex));
    this.#toDevice.push(packet);
    this.#wakeDevice();
  }

  unplug(): void {
    this.#toDevice.push(null);
    this.#wakeDevice();
  }

  /** The next packet, without the zeros at its end. */
  async next(): Promise<string> {
    while (this.#toPlatform.length === 0) await new Promise<void>((resolve) => (this.#wakePlatform = resolve));
    const packet = this.#toPlatform.shift() ?? new Uint8Array(0);
    expect(packet).toHaveLength(64);
    return toHex(packet).replace(/(00)+$/, "");
  }

  async channel(): Promise<string> {
    this.send("FFFFFFFF 86 0008 0102030405060708");
    const answer = await this.next();
    expect(answer).toMatch(/^FFFFFFFF86001101020304050607085153000[1-9]020100000D$/);
    return answer.slice(30, 38);
  }
}

describe("CTAPHID, the device's side", () => {
  test("gives channels, echoes, blinks and answers CBOR in as many packets as it takes", async () => {
    const cable = new Cable();
    const channel = await cable.channel();
    expect(await cable.channel()).not.toBe(channel);
    cable.send(`${channel} 81 0003 AABBCC`);
    expect(await cable.next()).toBe(`${channel}810003AABBCC`);
    cable.send(`${channel} 88 0000`);
    expect(await cable.next()).toBe(`${channel}88`);
    cable.send(`${channel} 90 0001 04`);
    const first = await cable.next();
    expect(first.slice(0, 10)).toBe(`${channel}90`);
    const length = Number.parseInt(first.slice(10, 14), 16);
    expect(first.slice(14, 18)).toBe("00AE");
    for (let sequence = 0; 57 + 59 * sequence < length; sequence++) {
      expect((await cable.next()).slice(0, 10)).toBe(`${channel}0${sequence}`);
    }
    cable.unplug();
    await cable.service;
  });

  test("joins a long request", async () => {
    const cable = new Cable();
    const channel = await cable.channel();
    const data = concat(...Array.from({ length: 20 }, (_, i) => new Uint8Array(10).fill(i + 1)));
    cable.send(`${channel} 81 00C8 ${toHex(data.subarray(0, 57))}`);
    for (const [i, at] of [57, 116, 175].entries()) cable.send(`${channel} 0${i} ${toHex(data.subarray(at, at + 59))}`);
    let echoed = (await cable.next()).slice(14);
    for (let i = 0; i < 3; i++) echoed += (await cable.next()).slice(10);
    expect(echoed).toBe(toHex(data));
  });

  test.each([
    ["a channel that nobody has", "00000009 90 0001 04", "00000009BF00010B"],
    ["the broadcast channel for CBOR", "FFFFFFFF 90 0001 04", "FFFFFFFFBF00010B"],
    ["INIT without a nonce", "FFFFFFFF 86 0000", "FFFFFFFFBF000103"],
    ["U2F", "51530001 83 0007 00030000000000", "51530001BF000101"],
    ["a vendor command", "51530001 C1 0001 01", "51530001BF000101"],
    ["more than fits", "51530001 90 1DBA 04", "51530001BF000103"],
    ["CBOR of no length", "51530001 90 0000", "51530001BF000103"],
  ])("refuses %s", async (_, packet, answer) => {
    const cable = new Cable();
    await cable.channel();
    cable.send(packet);
    expect(await cable.next()).toBe(answer);
  });

  test("refuses a wrong sequence number and a second beginning; drops what belongs to nothing", async () => {
    const cable = new Cable();
    const channel = await cable.channel();
    cable.send(`${channel} 05 00`);
    cable.send(`${channel} 81 0064 00`);
    cable.send(`${channel} 01 00`);
    expect(await cable.next()).toBe(`${channel}BF000104`);
    cable.send(`${channel} 81 0064 00`);
    cable.send(`${channel} 81 0001 AA`);
    expect(await cable.next()).toBe(`${channel}BF000104`);
    cable.send(`${channel} 81 0001 AA`);
    expect(await cable.next()).toBe(`${channel}810001AA`);
  });

  test("gives a request up whose packets stop coming", async () => {
    const cable = new Cable({ gapMs: 1 });
    const channel = await cable.channel();
    cable.send(`${channel} 81 0064 00`);
    expect(await cable.next()).toBe(`${channel}BF000105`);
  });

  test("is busy for others while it waits for a touch, and says that it waits", async () => {
    let touched: () => void = () => {};
    const cable = new Cable({}, () => new Promise((resolve) => (touched = () => resolve("touched"))));
    const [mine, other] = [await cable.channel(), await cable.channel()];
    cable.send(`${mine} 90 0001 0B`);
    expect(await cable.next()).toBe(`${mine}BB000102`);
    cable.send(`${other} 90 0001 04`);
    expect(await cable.next()).toBe(`${other}BF000106`);
    cable.send(`${other} 91 0000`); // Others cannot cancel it.
    touched();
    expect(await cable.next()).toBe(`${mine}900001`);
  });

  test("goes on saying that it waits", async () => {
    const cable = new Cable({ keepAliveMs: 1 }, () => new Promise(() => {}));
    const channel = await cable.channel();
    cable.send(`${channel} 90 0001 0B`);
    for (let i = 0; i < 3; i++) expect(await cable.next()).toBe(`${channel}BB000102`);
    cable.unplug();
    await cable.service;
  });

  test("CANCEL ends the touch with 2D, INIT without a word, unplugging too", async () => {
    const cable = new Cable({}, () => new Promise(() => {}));
    const channel = await cable.channel();
    cable.send(`${channel} 91 0000`); // Nothing to cancel: nothing is said.
    cable.send(`${channel} 90 0001 0B`);
    expect(await cable.next()).toBe(`${channel}BB000102`);
    cable.send(`${channel} 91 0000`);
    expect(await cable.next()).toBe(`${channel}9000012D`);
    cable.send(`${channel} 90 0001 0B`);
    expect(await cable.next()).toBe(`${channel}BB000102`);
    cable.send(`${channel} 86 0008 1122334455667788`);
    expect(await cable.next()).toBe(`${channel}8600111122334455667788${channel}020100000D`);
    cable.send(`${channel} 90 0001 55`);
    expect(await cable.next()).toBe(`${channel}90000101`);
    cable.send(`${channel} 90 0001 0B`);
    expect(await cable.next()).toBe(`${channel}BB000102`);
    cable.unplug();
    await cable.service;
  });

  test("what real devices do now and then", async () => {
    const cable = new Cable({ foreignNonce: true, foreignChannel: true, busy: 1, keepAlives: 2, errorFrames: true });
    cable.send("FFFFFFFF 86 0008 0102030405060708");
    expect(await cable.next()).toBe("FFFFFFFF860011FEFDFCFBFAF9F8F70BAD0001020100000D");
    const channel = (await cable.next()).slice(30, 38);
    cable.send(`${channel} 90 0001 55`);
    expect(await cable.next()).toBe(`${channel}BF000106`);
    cable.send(`${channel} 90 0001 55`);
    expect(await cable.next()).toBe(`${channel}BB000101`);
    expect(await cable.next()).toBe(`${channel}BB000101`);
    expect(await cable.next()).toBe("0BAD00019000017F");
    expect(await cable.next()).toBe(`${channel}BF000101`);
  });

  test("a wrong sequence number of its own, and silence", async () => {
    const wrong = new Cable({ wrongSequence: true });
    const channel = await wrong.channel();
    wrong.send(`${channel} 90 0001 04`);
    expect((await wrong.next()).slice(8, 10)).toBe("90");
    expect((await wrong.next()).slice(8, 10)).toBe("05");
    const silent = new Cable({ silent: true });
    const other = await silent.channel();
    silent.send(`${other} 90 0001 04`);
    silent.send(`${other} 81 0001 AA`);
    expect(await silent.next()).toBe(`${other}BF000106`);
  });
});
