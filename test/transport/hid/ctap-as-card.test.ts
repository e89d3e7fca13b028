import { describe, expect, test } from "vitest";
import type { CtapChannel, CtapSendOptions } from "../../../src/apdu/ctap-channel.ts";
import { fromHex, toHex } from "../../../src/bytes/hex.ts";
import { ctapOverCard } from "../../../src/cards/fido2/ctap-over-apdu.ts";
import { ctapAsCard } from "../../../src/transport/hid/ctap-as-card.ts";

/** Keeps what it was sent and answers what it is told to. */
class ScriptedCtap implements CtapChannel {
  readonly where = "hid test";
  readonly sent: string[] = [];
  closed = 0;
  readonly #answer: (options: CtapSendOptions) => Promise<Uint8Array>;

  constructor(answer: (options: CtapSendOptions) => Promise<Uint8Array>) {
    this.#answer = answer;
  }

  async send(message: Uint8Array, options: CtapSendOptions = {}): Promise<Uint8Array> {
    this.sent.push(toHex(message));
    return this.#answer(options);
  }

  async close(): Promise<void> {
    this.closed++;
  }
}

const poll = { pollMs: 0, wait: async () => undefined };

describe("an authenticator behind HID as a card", () => {
  test.each([1, 250, 251, 1000])("a message of %i bytes arrives whole, its answer comes back whole", async (length) => {
    const message = new Uint8Array(length).map((_, i) => i % 251);
    const reply = new Uint8Array(length + 1).map((_, i) => (i * 7) % 253);
    const hid = new ScriptedCtap(async () => reply);
    for (const extended of [false, true]) {
      const ctap = ctapOverCard(ctapAsCard(hid), { ...poll, extended });
      expect(toHex(await ctap.send(message))).toBe(toHex(reply));
      expect(hid.sent.at(-1)).toBe(toHex(message));
    }
  });

  test("the APDUs that a trace shows", async () => {
    const card = ctapAsCard(new ScriptedCtap(async () => new Uint8Array(300).fill(1)));
    const say = async (hex: string) => toHex(await card.transceive(fromHex(hex)));
    expect(await say("00A4040008A0000006472F000100")).toBe("4649444F5F325F309000");
    expect(await say("90108000020102")).toBe("9000");
    expect(await say("801000000103")).toMatch(/^(01){256}612C$/);
    expect(await say("00C000002C")).toMatch(/^(01){44}9000$/);
    expect(await say("00B0000000")).toBe("6D00");
    expect(await say("8011000000")).toBe("6985");
    expect(await say("80120100")).toBe("9000");
  });

  test("KEEPALIVEs are polled one by one, each once", async () => {
    const told: number[] = [];
    const hid = new ScriptedCtap(async ({ onKeepAlive }) => {
      for (const status of [1, 2, 2]) onKeepAlive?.(status);
      return Uint8Array.of(0);
    });
    const ctap = ctapOverCard(ctapAsCard(hid), poll);
    expect(toHex(await ctap.send(Uint8Array.of(4), { onKeepAlive: (status) => told.push(status) }))).toBe("00");
    expect(told).toEqual([1, 2, 2]);
  });

  test("a cancellation reaches the authenticator", async () => {
    const hid = new ScriptedCtap(
      ({ onKeepAlive, signal }) =>
        new Promise((resolve) => {
          onKeepAlive?.(2);
          signal?.addEventListener("abort", () => resolve(Uint8Array.of(0x2d)));
        }),
    );
    const stop = new AbortController();
    const ctap = ctapOverCard(ctapAsCard(hid), poll);
    const answer = ctap.send(Uint8Array.of(2), { signal: stop.signal, onKeepAlive: () => stop.abort() });
    expect(toHex(await answer)).toBe("2D");
  });

  test("a failure is the failure, and the close is the close", async () => {
    const hid = new ScriptedCtap(async () => {
      throw new Error("pulled out");
    });
    const ctap = ctapOverCard(ctapAsCard(hid), poll);
    await expect(ctap.send(Uint8Array.of(4))).rejects.toThrow("pulled out");
    await ctap.close();
    expect(hid.closed).toBe(1);
  });
});
