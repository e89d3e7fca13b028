import { expect, test } from "vitest";
import { fromHex, toHex } from "../../../src/bytes/hex.ts";
import { CtapHidChannel } from "../../../src/transport/hid/ctaphid-channel.ts";
import { type PicoFidoRecording, picoFidoRecording, picoFidoSessions } from "../../support/pico-fido-recordings.ts";
import { RecordedPort } from "./recorded-port.ts";

const hex = (bytes: Uint8Array) => toHex(bytes).toLowerCase();
const init = 0x06;

type Packets = PicoFidoRecording["packets"];

/** One part for each channel that was asked for: some sessions were made by several processes. */
function parts({ packets }: PicoFidoRecording): Packets[] {
  const found: Packets[number][][] = [];
  for (const packet of packets) {
    const begins = packet.d === "out" && packet.p.startsWith("ffffffff") && mark(packet) === (init | 0x80);
    if (begins) found.push([]);
    found.at(-1)?.push(packet);
  }
  return found;
}

function mark({ p }: Packets[number]): number {
  return Number.parseInt(p.slice(8, 10), 16);
}

/** The whole messages that the host sent, put together by a reader of the test's own. */
function sent(packets: Packets): { command: number; bytes: Uint8Array }[] {
  const messages: { command: number; length: number; hex: string }[] = [];
  for (const packet of packets.filter(({ d }) => d === "out")) {
    const last = messages.at(-1);
    if (mark(packet) >= 0x80) {
      const length = Number.parseInt(packet.p.slice(10, 14), 16);
      messages.push({ command: mark(packet) & 0x7f, length, hex: packet.p.slice(14) });
    } else if (last !== undefined) last.hex += packet.p.slice(10);
  }
  return messages.map(({ command, length, hex }) => ({ command, bytes: fromHex(hex).slice(0, length) }));
}

/** Ends in keep-alives without end, cut off. */
const hanging = ["v5.12-09b-wrong-vendor-prototype", "v7.6-09-error-shape", "v8.0-07-old-vendor-prototype"];

test("96 sessions", () => expect(picoFidoSessions).toHaveLength(96));

test.each(picoFidoSessions)("%s: packet for packet", async (name) => {
  const recording = picoFidoRecording(name);
  const answers = recording.messages.filter(({ cmd }) => cmd !== "86");
  const nonces = [...(recording.inputs.initNonces ?? [])];
  let at = 0;
  for (const packets of parts(recording)) {
    const port = new RecordedPort({ session: name, inputs: {}, expected: {}, packets });
    const random = () => fromHex(nonces.shift() ?? "");
    // Recorded packets come at once; only what hangs is waited for.
    const timing = hanging.includes(name) ? { silenceMs: 200, deadlineMs: 200 } : {};
    const hid = await CtapHidChannel.open(port, { where: name, random, timing });
    for (const { command, bytes } of sent(packets).slice(1)) {
      const channel = command === 0x10 ? hid : hid.vendorChannel(command);
      const message = answers[at++];
      if (message === undefined) {
        expect(hanging).toContain(name);
        await expect(channel.send(bytes)).rejects.toMatchObject({ code: expect.stringMatching(/TIMEOUT|EXCHANGE/) });
      } else {
        expect(hex(bytes)).toBe(message.c);
        expect(hex(await channel.send(bytes))).toBe(message.r);
      }
    }
    await hid.close();
    expect(port.left).toBe(0);
  }
  expect(at).toBe(answers.length + (hanging.includes(name) ? 1 : 0));
});
