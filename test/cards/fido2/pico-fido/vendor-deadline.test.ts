import { describe, expect, test } from "vitest";
import type { CtapChannel, CtapSendOptions } from "../../../../src/apdu/ctap-channel.ts";
import { TransportError } from "../../../../src/apdu/transport-error.ts";
import { fromHex } from "../../../../src/bytes/hex.ts";
import { Fido2Authenticator } from "../../../../src/cards/fido2/authenticator.ts";
import { PicoFidoToken } from "../../../../src/cards/fido2/pico-fido/pico-fido-token.ts";
import { picoFidoRecording } from "../../../support/pico-fido-recordings.ts";

const getInfo = picoFidoRecording("v8.0-01-getinfo").messages.find(({ c }) => c === "04")?.r ?? "";

/** @param vendor what a vendor command does */
async function tokenOf(vendor: (options: CtapSendOptions, message: Uint8Array) => Promise<Uint8Array>, deadlineMs = 5) {
  const channel = (send: CtapChannel["send"]): CtapChannel => ({ where: "hid x", send, close: async () => undefined });
  const authenticator = await Fido2Authenticator.open(
    channel(async () => fromHex(getInfo)),
    { vendorChannel: channel((message, options = {}) => vendor(options, message)) },
  );
  return new PicoFidoToken(authenticator, { deadlineMs });
}

function aborted({ signal }: CtapSendOptions): Promise<void> {
  return new Promise((resolve) => signal?.addEventListener("abort", () => resolve()));
}

describe("a token that only asks for patience", () => {
  test.each([
    ["takes the cancellation", async () => Uint8Array.of(0x2d)],
    [
      "does not take it",
      async () => {
        throw new TransportError("TIMEOUT", "hid x did not finish");
      },
    ],
  ])("%s: ends by the deadline, exit 12, unplug it", async (_, end) => {
    const token = await tokenOf(async (options) => {
      options.onKeepAlive?.(1);
      await aborted(options);
      return end();
    });
    await expect(token.backup()).rejects.toMatchObject({
      kind: "timeout",
      exitCode: 12,
      message: expect.stringContaining("BACKUP save"),
      advice: expect.stringContaining("unplug the token"),
    });
  });

  test("a wait for a touch has a limit of its own", async () => {
    const token = await tokenOf(async (options) => {
      options.onKeepAlive?.(1);
      options.onKeepAlive?.(2);
      expect(options.signal?.aborted).toBe(false);
      await new Promise((resolve) => setImmediate(resolve));
      return Uint8Array.of(0x27);
    }, 0);
    await expect(token.load(new Uint8Array(60))).rejects.toMatchObject({ kind: "cancelled" });
  });

  test("silence stays what it was", async () => {
    const fault = new TransportError("TIMEOUT", "hid x has been silent for 3 s");
    const token = await tokenOf(async () => Promise.reject(fault));
    await expect(token.backup()).rejects.toBe(fault);
  });
});

describe("key agreement", () => {
  const session = picoFidoRecording("v8.0-06-probes-not-enabled");
  const agreed = session.messages.find(({ cmd, c, r }) => cmd === "c1" && c.startsWith("02") && r?.startsWith("00"))?.r;

  test("v8.0 drops an agreement that is open: the second one is taken, a third is not asked for", async () => {
    const asked: number[] = [];
    const answers = [Uint8Array.of(0x30), fromHex(agreed ?? ""), Uint8Array.of(0x3d)];
    const token = await tokenOf(async (_, [command = 0]) => {
      asked.push(command);
      return answers.shift() ?? new Uint8Array(0);
    });
    expect(await token.unlock(new Uint8Array(32).fill(7))).toBe("not-enabled");
    expect(asked).toEqual([2, 2, 3]);
    const stubborn = await tokenOf(async () => Uint8Array.of(0x30));
    await expect(stubborn.unlock(new Uint8Array(32))).rejects.toMatchObject({ code: "FIDO_NOT_ALLOWED" });
  });

  test("a point that is none, and answers without one, are refused", async () => {
    const point = (agreed ?? "").replace(/225820[0-9a-f]{64}/, `225820${"11".repeat(32)}`);
    for (const answer of [point, "00", "00a0", "00a10140"]) {
      const token = await tokenOf(async () => fromHex(answer));
      await expect(token.unlock(new Uint8Array(32)), answer).rejects.toMatchObject({ code: "CTAP_ANSWER_INVALID" });
    }
  });

  test("a way without vendor commands is no way", async () => {
    const channel: CtapChannel = { where: "reader", send: async () => fromHex(getInfo), close: async () => undefined };
    const token = new PicoFidoToken(await Fido2Authenticator.open(channel));
    await expect(token.backup()).rejects.toMatchObject({
      kind: "not-supported",
      advice: expect.stringContaining("USB"),
    });
  });
});
