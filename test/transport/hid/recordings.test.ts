import { readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { fromHex, toHex } from "../../../src/bytes/hex.ts";
import { CtapHidChannel } from "../../../src/transport/hid/ctaphid-channel.ts";
import { hidErrorName } from "../../../src/transport/hid/ctaphid-codes.ts";
import { readPacket } from "../../../src/transport/hid/packets.ts";
import { RecordedPort, recordedMessages, recordedSession } from "./recorded-port.ts";

const hex = (bytes: Uint8Array) => toHex(bytes).toLowerCase();

/** Begun before the recording. */
const allocated = 0x0a0b0c01;
const timing = { busyPauseMs: 1 };
const getInfo = Uint8Array.of(4);

async function opened(name: string, begun = true) {
  const session = recordedSession(name);
  const port = new RecordedPort(session);
  const nonce = String(session.inputs["nonce"] ?? "");
  const hid = await CtapHidChannel.open(port, {
    where: `hid ${name}`,
    timing,
    random: () => fromHex(nonce),
    ...(begun ? { channel: allocated } : {}),
  });
  return { session, port, hid };
}

/** The sessions that are plain: what goes out and comes in, message by message. */
const plain = [
  "hid-assert-hmac-nouv-p1",
  "hid-assert-hmac-uv-p2",
  "hid-makecred-touch",
  "hid-preflight",
  "hid-wrong-pin",
] as const;

describe("recorded CTAPHID sessions", () => {
  test.each(plain)("%s: packet for packet", async (name) => {
    const { session, port, hid } = await opened(name);
    const messages = recordedMessages(session);
    expect(messages.length).toBeGreaterThan(0);
    for (const { request, answer } of messages) expect(hex(await hid.send(request))).toBe(hex(answer));
    await hid.close();
    expect(port.left).toBe(0);
  });

  test("hid-wrong-pin: 31, seven retries", async () => {
    const answers = recordedMessages(recordedSession("hid-wrong-pin")).map(({ answer }) => hex(answer));
    expect(answers).toContain("31");
    expect(answers.at(-1)).toMatch(/^00a1?.*0307/);
  });

  test("hid-makecred-touch: the authenticator asks for a touch", async () => {
    const { session, hid } = await opened("hid-makecred-touch");
    const told = new Set<number>();
    for (const { request } of recordedMessages(session)) await hid.send(request, { onKeepAlive: (s) => told.add(s) });
    expect([...told]).toEqual(session.expected["keepalive"]);
  });

  test("hid-init-getinfo: a channel, and what the device says of itself", async () => {
    const { session, port, hid } = await opened("hid-init-getinfo", false);
    expect(hid.device).toEqual({ protocolVersion: 2, deviceVersion: "1.0.0", capabilities: session.expected["caps"] });
    const answer = await hid.send(getInfo);
    expect(answer).toHaveLength(0x128);
    expect(hex(answer)).toMatch(/^00b00183684649444f5f325f30/);
    expect(port.left).toBe(0);
  });

  test("hid-foreign-packets: another program's answer on the broadcast channel is passed over", async () => {
    const { port, hid } = await opened("hid-foreign-packets", false);
    expect(hid.device?.capabilities).toBe(13);
    expect(port.left).toBe(0);
  });

  test("hid-busy: sent again until the other program has finished", async () => {
    const { port, hid } = await opened("hid-busy");
    expect((await hid.send(getInfo))[0]).toBe(0);
    expect(port.left).toBe(0);
  });

  test("hid-cancel: CANCEL, and the answer is 2D", async () => {
    const { session, port, hid } = await opened("hid-cancel");
    const [message] = recordedMessages(session);
    const stop = new AbortController();
    let asked = 0;
    const onKeepAlive = () => {
      asked++;
      if (asked === 5) stop.abort();
    };
    const answer = await hid.send(message?.request ?? getInfo, { signal: stop.signal, onKeepAlive });
    expect(hex(answer)).toBe(session.expected["status"]);
    await hid.close();
    expect(port.left).toBe(0);
  });

  test("hid-ping: an echo over several packets", async () => {
    const { session, port, hid } = await opened("hid-ping");
    const sent = session.packets.filter(({ d }) => d === "out").map(({ p }) => p);
    const data = fromHex(sent.map((p, i) => p.slice(i === 0 ? 14 : 10)).join("")).slice(0, 200);
    expect(hex(await hid.ping(data))).toBe(hex(data));
    expect(port.left).toBe(0);
  });

  test("hid-bad-seq: the answer is lost, and the error says so", async () => {
    const { port, hid } = await opened("hid-bad-seq");
    await expect(hid.send(getInfo)).rejects.toMatchObject({
      code: "EXCHANGE_FAILED",
      message: expect.stringContaining("packet 2 of the answer bears number 5, not 0"),
    });
    await hid.close();
    expect(port.left).toBe(4);
  });

  test("hid-errors: each error has its name", () => {
    const { packets, expected } = recordedSession("hid-errors");
    const errors = packets
      .filter(({ d }) => d === "in")
      .map(({ p }) => ({ p, packet: readPacket(fromHex(p)) }))
      .filter(({ packet }) => packet.kind === "first" && packet.command === 0x3f);
    expect(errors.map(({ p }) => p.slice(0, 16))).toEqual(expected["answers"]);
    expect(errors.map(({ packet }) => hidErrorName(packet.data[0] ?? 0))).toEqual([
      "CTAPHID error 0B, invalid channel",
      "CTAPHID error 04, wrong sequence number",
      "CTAPHID error 01, invalid command",
      "CTAPHID error 03, invalid length",
    ]);
  });

  test("none is left out", () => {
    const other = ["ping", "init-getinfo", "foreign-packets", "busy", "cancel", "bad-seq", "errors"];
    const files = readdirSync(join(import.meta.dirname, "../../recordings/fido2-hid"));
    const sessions = files.filter((file) => file.endsWith(".json")).map((file) => file.slice(0, -5));
    expect(sessions.sort()).toEqual([...plain, ...other.map((name) => `hid-${name}`)].sort());
  });
});
