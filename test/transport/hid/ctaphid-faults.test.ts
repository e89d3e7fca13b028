import { afterEach, describe, expect, test } from "vitest";
import { toHex } from "../../../src/bytes/hex.ts";
import { CtapHidChannel } from "../../../src/transport/hid/ctaphid-channel.ts";
import type { HidTiming } from "../../../src/transport/hid/ctaphid-link.ts";
import { FakeDevice } from "./fake-device.ts";
import { socketPair } from "./socket-port.ts";

const getInfo = Uint8Array.of(4);
const ours = "0a0b0c01";
const ok = `${ours}90000100`;
const keepAlive = (status: string) => `${ours}bb0001${status}`;
const ends: { close(): Promise<void> }[] = [];

afterEach(async () => {
  for (const end of ends.splice(0)) await end.close();
});

/** Long enough that nothing runs out on a slow machine, unless the test is about that. */
async function connected(timing: Partial<HidTiming> = {}, channel?: number) {
  const pair = await socketPair();
  const device = new FakeDevice(pair.device);
  const options = {
    where: "hid test",
    channel,
    timing: { silenceMs: 60_000, deadlineMs: 60_000, busyPauseMs: 1, ...timing },
  };
  ends.push(device);
  const open = async () => {
    const hid = await CtapHidChannel.open(pair.host, options);
    ends.push(hid);
    return hid;
  };
  return { device, open };
}

/** On a channel given out before, for tests whose time is too short for an INIT on a slow machine. */
async function begun(timing: Partial<HidTiming>) {
  const { device, open } = await connected(timing, 0x0a0b0c01);
  return { device, hid: await open() };
}

async function opened(timing: Partial<HidTiming> = {}) {
  const { device, open } = await connected(timing);
  const [hid] = await Promise.all([open(), device.givesChannel()]);
  return { device, hid };
}

describe("asking for a channel", () => {
  test("answers to other programs, other channels and stray packets are passed over", async () => {
    const { device, open } = await connected();
    const foreign = "ffffffff860011ab543afa65f5aa2099999999020101010c";
    const before = [foreign, `${ours}00ffff`, "99999999900001ff", "ffffffffbf000103"];
    const [hid] = await Promise.all([open(), device.givesChannel({ before })]);
    expect(hid.device).toEqual({ protocolVersion: 2, deviceVersion: "5.7.1", capabilities: 13 });
    expect(device.heard[0]).toMatch(/^ffffffff860008/);
  });

  test("nonces differ", async () => {
    const nonces = new Set<string>();
    for (let i = 0; i < 3; i++) {
      const { device } = await opened();
      nonces.add((device.heard[0] ?? "").slice(14));
    }
    expect(nonces.size).toBe(3);
  });

  test("a device that knows U2F only is refused", async () => {
    const { device, open } = await connected();
    await Promise.all([
      expect(open()).rejects.toMatchObject({ code: "FIDO_NO_CTAP2", kind: "not-supported" }),
      device.givesChannel({ capabilities: "01" }),
    ]);
  });

  test("busy: asked again", async () => {
    const { device, open } = await connected();
    const play = async () => {
      await device.hears();
      await device.says("ffffffffbf000106");
      await device.givesChannel();
    };
    await Promise.all([open(), play()]);
    expect(device.heard).toHaveLength(2);
  });

  test("silence ends in a timeout", async () => {
    const { open } = await connected({ silenceMs: 20 });
    await expect(open()).rejects.toMatchObject({
      code: "TIMEOUT",
      kind: "timeout",
      message: "hid test has been silent for 20 ms",
    });
  });

  test("a device that only ever talks to others is silent too", async () => {
    const { device, open } = await connected({ silenceMs: 50 });
    let talking = true;
    const chatter = async () => {
      while (talking)
        await device.says("ffffffff860011ab543afa65f5aa2099999999020101010c").then(() => new Promise(setImmediate));
    };
    const chat = chatter();
    await expect(open()).rejects.toMatchObject({ code: "TIMEOUT" });
    talking = false;
    await chat;
  });
});

describe("an exchange", () => {
  test("packets of another channel in the middle of an answer are passed over", async () => {
    const { device, hid } = await opened();
    const answer = hid.send(getInfo);
    await device.hears();
    await device.says(
      `${ours}900040${"00".repeat(57)}`,
      "9999999900ffff",
      "99999999900001ff",
      `${ours}00${"11".repeat(7)}`,
    );
    expect(toHex(await answer)).toBe("00".repeat(57) + "11".repeat(7));
  });

  test("KEEPALIVE is told", async () => {
    const { device, hid } = await opened();
    const told: number[] = [];
    const answer = hid.send(getInfo, { onKeepAlive: (status) => told.push(status) });
    await device.hears();
    await device.says(keepAlive("01"), keepAlive("02"), keepAlive("02"), ok);
    expect(toHex(await answer)).toBe("00");
    expect(told).toEqual([1, 2, 2]);
  });

  test("KEEPALIVE keeps a silent device alive, not beyond its deadline: it is cancelled", async () => {
    const { device, hid } = await begun({ deadlineMs: 30 });
    const answer = hid.send(getInfo);
    const play = async () => {
      await device.hears();
      await device.says(keepAlive("02"));
      await device.hears();
      await device.says(keepAlive("02"), `${ours}9000012d`);
    };
    await Promise.all([
      expect(answer).rejects.toMatchObject({
        code: "TIMEOUT",
        message: "hid test was not touched within 30 ms, the command was cancelled",
      }),
      play(),
    ]);
    expect(device.heard.at(-1)).toBe(`${ours}91`);
  });

  test("a command's own patience is longer than the deadline", async () => {
    const { device, hid } = await opened({ deadlineMs: 1 });
    const answer = hid.send(getInfo, { patienceMs: 60_000 });
    await device.hears();
    await new Promise((resolve) => setTimeout(resolve, 5));
    await device.says(ok);
    expect(toHex(await answer)).toBe("00");
  });

  test("an answer that was faster than the cancellation is an answer", async () => {
    const { device, hid } = await opened();
    const stop = new AbortController();
    const answer = hid.send(getInfo, { signal: stop.signal });
    await device.hears();
    stop.abort();
    await device.hears();
    await device.says(ok);
    expect(toHex(await answer)).toBe("00");
  });

  test("a device that does not heed the cancellation is given up", async () => {
    const { device, hid } = await begun({ silenceMs: 30 });
    const stop = new AbortController();
    const answer = hid.send(getInfo, { signal: stop.signal });
    await device.hears();
    stop.abort();
    await expect(answer).rejects.toMatchObject({ code: "TIMEOUT" });
  });

  test("cancelled before it was sent: nothing is sent", async () => {
    const { device, hid } = await opened();
    expect(toHex(await hid.send(getInfo, { signal: AbortSignal.abort() }))).toBe("2D");
    expect(device.heard).toHaveLength(1);
  });

  test("busy to the end: another program holds it", async () => {
    const { device, hid } = await begun({ deadlineMs: 25, busyPauseMs: 10 });
    const answer = hid.send(getInfo);
    let over = false;
    const play = async () => {
      while (!over) {
        await device.hears();
        await device.says(`${ours}bf000106`);
      }
    };
    const playing = play().catch(() => undefined);
    await expect(answer).rejects.toMatchObject({ code: "SHARING_VIOLATION", kind: "service" });
    over = true;
    await hid.close();
    await playing;
  });

  test("one at a time, and none after the close", async () => {
    const { device, hid } = await opened();
    const first = hid.send(getInfo);
    await expect(hid.send(getInfo)).rejects.toMatchObject({ code: "CHANNEL_BUSY" });
    await device.hears();
    await device.says(ok);
    await first;
    await hid.close();
    await hid.close();
    await expect(hid.send(getInfo)).rejects.toMatchObject({ code: "CHANNEL_CLOSED" });
  });

  test("closing while the device waits for a touch cancels, so that it stops blinking", async () => {
    const { device, hid } = await opened();
    const answer = hid.send(getInfo);
    await device.hears();
    await device.says(keepAlive("02"));
    const ended = expect(answer).rejects.toMatchObject({ code: "CHANNEL_CLOSED" });
    await hid.close();
    await ended;
    await device.hears();
    expect(device.heard.at(-1)).toBe(`${ours}91`);
  });

  test("closing an idle channel sends nothing", async () => {
    const { device, hid } = await opened();
    const answer = hid.send(getInfo);
    await device.hears();
    await device.says(ok);
    await answer;
    await hid.close();
    await expect(device.hears()).rejects.toThrow("hung up");
  });

  test("pulled out in the middle", async () => {
    const { device, hid } = await opened();
    const answer = hid.send(getInfo);
    await device.hears();
    await device.close();
    await expect(answer).rejects.toMatchObject({ code: "EXCHANGE_FAILED", kind: "unexpected" });
  });
});

describe("a broken answer is never an answer, and the next message begins with INIT", () => {
  const broken: [what: string, packets: string[], message: RegExp][] = [
    [
      "wrong sequence number",
      [`${ours}900080${"00".repeat(57)}`, `${ours}05`],
      /packet 2 of the answer bears number 5, not 0/,
    ],
    [
      "a packet twice",
      [`${ours}9000ff${"00".repeat(57)}`, `${ours}00`, `${ours}00`],
      /packet 3 of the answer bears number 0, not 1/,
    ],
    ["another message in the middle", [`${ours}900080`, ok], /began another message/],
    [
      "an error in the middle",
      [`${ours}900080`, `${ours}bf000105`],
      /broke off its answer: CTAPHID error 05, message timeout/,
    ],
    ["a length that no message has", [`${ours}90ffff`], /claims 65535 bytes/],
    ["another command", [`${ours}83000100`], /another command than was sent/],
    ["refused", [`${ours}bf000101`], /refused the message: CTAPHID error 01, invalid command/],
  ];
  test.each(broken)("%s", async (_, packets, message) => {
    const { device, hid } = await opened();
    const lost = hid.send(getInfo);
    await device.hears();
    await device.says(...packets);
    await expect(lost).rejects.toMatchObject({ code: "EXCHANGE_FAILED", message: expect.stringMatching(message) });

    const answer = hid.send(getInfo);
    // What the device had still to say of the lost answer comes in before the answer to INIT.
    await device.givesChannel({ before: [`${ours}01`, ok] });
    await device.hears();
    await device.says(`${ours}9000012e`);
    expect(toHex(await answer)).toBe("2E");
    expect(device.heard.slice(2).map((packet) => packet.slice(0, 14))).toEqual([`${ours}860008`, `${ours}900001`]);
  });

  test("firmware that sends CTAP statuses as ERROR packets is understood", async () => {
    const { device, hid } = await opened();
    const vendor = hid.vendorChannel(0x41);
    const config = Uint8Array.of(0x0d);
    // Message, error code and what it means; what CTAPHID itself says stays an error.
    const cases: [send: () => Promise<Uint8Array>, code: string, means: string | null][] = [
      [() => hid.send(getInfo), "31", "31"],
      [() => hid.send(getInfo), "7f", "7F"],
      [() => hid.send(getInfo), "02", null],
      [() => hid.send(config), "02", "02"],
      [() => vendor.send(config), "02", "02"],
      [() => vendor.send(getInfo), "33", "33"],
      [() => vendor.send(getInfo), "0b", null],
      [() => hid.ping(getInfo), "42", null],
    ];
    let lost = false;
    for (const [send, code, means] of cases) {
      const answer = send().catch(() => null);
      if (lost) await device.givesChannel();
      await device.hears();
      await device.says(`${ours}bf0001${code}`);
      const got = await answer;
      expect(got === null ? null : toHex(got), code).toBe(means);
      lost = means === null;
    }
    expect(device.heard.some((packet) => packet.startsWith(`${ours}c1000104`))).toBe(true);
  });

  test("an empty answer is none, but nothing was lost", async () => {
    const { device, hid } = await opened();
    const empty = hid.send(getInfo);
    await device.hears();
    await device.says(`${ours}90`);
    await expect(empty).rejects.toMatchObject({ message: expect.stringContaining("empty") });
    const answer = hid.send(getInfo);
    await device.hears();
    await device.says(ok);
    expect(toHex(await answer)).toBe("00");
  });

  test("a channel the device has forgotten: another one is asked for", async () => {
    const { device, hid } = await opened();
    const lost = hid.send(getInfo);
    await device.hears();
    await device.says(`${ours}bf00010b`);
    await expect(lost).rejects.toMatchObject({ message: expect.stringContaining("invalid channel") });
    const answer = hid.send(getInfo);
    await device.givesChannel();
    await device.hears();
    await device.says(ok);
    expect(toHex(await answer)).toBe("00");
    expect(device.heard[2]).toMatch(/^ffffffff860008/);
  });

  test("a channel that is forgotten by the time of INIT", async () => {
    const { device, hid } = await opened();
    const lost = hid.send(getInfo);
    await device.hears();
    await device.says(`${ours}bf000104`);
    await expect(lost).rejects.toMatchObject({ code: "EXCHANGE_FAILED" });
    const answer = hid.send(getInfo);
    await device.hears();
    await device.says(`${ours}bf00010b`);
    await device.givesChannel();
    await device.hears();
    await device.says(ok);
    expect(toHex(await answer)).toBe("00");
  });

  test("silence in the middle of an answer is a timeout", async () => {
    const { device, hid } = await begun({ silenceMs: 30 });
    const lost = hid.send(getInfo);
    await device.hears();
    await device.says(`${ours}900080`);
    await expect(lost).rejects.toMatchObject({ code: "TIMEOUT", message: "hid test has been silent for 30 ms" });
  });
});
