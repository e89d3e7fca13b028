import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { TransportError } from "../../../src/apdu/transport-error.ts";
import { fromHex } from "../../../src/bytes/hex.ts";
import { TraceRecorder } from "../../../src/transport/trace/recorder.ts";
import { openReplay } from "../../../src/transport/trace/replay.ts";
import { errorFrom, fakeChannel, faultNames, openRedactor, otherAtr } from "./support.ts";

const story = `# hsmadm trace 1
! connect sim:demo
! atr 3B FE
> 00 20 00 81 06 ** ** ** ** ** **    VERIFY user PIN
< 63 C2
! reset
! atr 3B 80
> 00 B0 00 00 00 00 00                READ BINARY
< 01 02 90 00
> 00 62 00 00 02 AA BB                ECDH
< ** ** 90 00
! close
! connect
> 00 A4 04 00 00
! card removed  the card was taken out
`;
const open = () => openReplay(story, "t");
const verify = fromHex("0020008106363438323139");

describe("a replay", () => {
  test("answers what was recorded, a secret of the same length is as good as the recorded one", async () => {
    const replay = openReplay(story.replace("> 00 62 00 00 02 AA BB                ECDH\n< ** ** 90 00\n", ""), "t");
    expect(replay.connections).toBe(2);
    const channel = replay.connect();
    expect(channel.where).toBe("trace:t");
    expect(channel.atr).toEqual(fromHex("3BFE"));
    expect(await channel.transceive(verify)).toEqual(fromHex("63C2"));
    await channel.reset();
    expect(channel.atr).toEqual(fromHex("3B80"));
    expect(await channel.transceive(fromHex("00B00000000000"))).toEqual(fromHex("01029000"));
    await channel.close();
    const second = replay.connect();
    const error = await errorFrom(() => second.transceive(fromHex("00A4040000")));
    expect(error).toBeInstanceOf(TransportError);
    expect(error).toMatchObject({ code: "CARD_REMOVED", kind: "device", message: "the card was taken out" });
    await second.close();
    replay.finish();
  });

  test("gives copies: a caller that wipes an answer does not change the trace", async () => {
    const replay = openReplay("# hsmadm trace 1\n> 01\n< 90 00\n", "t");
    const again = openReplay("# hsmadm trace 1\n> 01\n< 90 00\n", "t");
    (await replay.connect().transceive(Uint8Array.of(1))).fill(0);
    expect(await again.connect().transceive(Uint8Array.of(1))).toEqual(fromHex("9000"));
  });

  test("other command: line, expected, got; the header of what was sent and no more", async () => {
    const error = await errorFrom(() => open().connect().transceive(fromHex("0024000108363438323139")));
    expect(error).toMatchObject({ code: "TRACE_OTHER_COMMAND", kind: "check-failed", details: { line: 4 } });
    expect(error.message).toBe(
      "trace t, line 4: other command: expected 00 20 00 81 06 ** ** ** ** ** ** (VERIFY user PIN), got 00 24 00 01 … (11 bytes)",
    );
  });

  test("a secret of another length is another command, and says so", async () => {
    const error = await errorFrom(() => open().connect().transceive(fromHex("00200081073634383231 3932")));
    expect(error.code).toBe("TRACE_OTHER_COMMAND");
    expect(error.message).toMatch(/got 00 20 00 81 … \(12 bytes\)$/);
    expect(error.advice).toMatch(/same length/);
    const shorter = await errorFrom(() => open().connect().transceive(fromHex("00200081063634383231")));
    expect(shorter).toMatchObject({ code: "TRACE_OTHER_COMMAND", advice: error.advice });
  });

  test("a reset, a command or an end in the wrong place", async () => {
    expect(await errorFrom(() => open().connect().reset())).toMatchObject({
      code: "TRACE_OTHER_COMMAND",
      message: expect.stringMatching(/^trace t, line 4: .*expected 00 20 .*, got a reset$/),
    });
    const channel = open().connect();
    await channel.transceive(verify);
    expect(await errorFrom(() => channel.transceive(fromHex("00B0000000")))).toMatchObject({
      code: "TRACE_OTHER_COMMAND",
      message: "trace t, line 6: other command: expected a reset, got 00 B0 00 00 00",
    });
  });

  test("an answer that was redacted cannot be given", async () => {
    const channel = open().connect();
    await channel.transceive(verify);
    await channel.reset();
    await channel.transceive(fromHex("00B00000000000"));
    expect(await errorFrom(() => channel.transceive(fromHex("0062000002AABB")))).toMatchObject({
      code: "TRACE_ANSWER_REDACTED",
      kind: "check-failed",
      message:
        "trace t, line 11: the answer to 00 62 00 00 02 AA BB (ECDH) was secret, 2 of its bytes were not recorded",
    });
  });

  test("ended: at the end of the file, at a close, and with the connections", async () => {
    const replay = openReplay("# hsmadm trace 1\n> 01\n< 90 00\n", "t");
    const channel = replay.connect();
    await channel.transceive(Uint8Array.of(1));
    expect(await errorFrom(() => channel.transceive(fromHex("00A40400")))).toMatchObject({
      code: "TRACE_ENDED",
      kind: "check-failed",
      message: "trace t, line 3: the trace ends early: nothing follows here, got 00 A4 04 00",
    });
    const closed = openReplay("# hsmadm trace 1\n> 01\n< 90 00\n! close\n", "t").connect();
    await closed.transceive(Uint8Array.of(1));
    expect(await errorFrom(() => closed.reset())).toMatchObject({ code: "TRACE_ENDED" });
    const once = openReplay("# hsmadm trace 1\n> 01\n< 90 00\n", "t");
    once.connect();
    expect(await errorFrom(() => once.connect())).toMatchObject({
      code: "TRACE_ENDED",
      message: "trace t, line 3: the trace has 1 connection, got one more connect",
    });
    expect(await errorFrom(() => openReplay("# hsmadm trace 1\n", "t").connect())).toMatchObject({
      code: "TRACE_ENDED",
    });
  });

  test("not used up: exchanges, resets and connections, with the first of them", async () => {
    const replay = open();
    const channel = replay.connect();
    await channel.transceive(verify);
    await channel.close();
    expect(await errorFrom(() => replay.finish())).toMatchObject({
      code: "TRACE_NOT_USED_UP",
      kind: "check-failed",
      message: "trace t, line 6: not used up: a reset was never asked for, nor 2 more",
    });
    const rest = openReplay("# hsmadm trace 1\n! connect\n! connect sim:b\n> 01\n< 90 00\n", "t");
    await rest.connect().close();
    expect(await errorFrom(() => rest.finish())).toMatchObject({
      code: "TRACE_NOT_USED_UP",
      message: "trace t, line 3: not used up: connection 2 (sim:b) was never asked for",
    });
    expect(await errorFrom(() => open().finish())).toMatchObject({ code: "TRACE_NOT_USED_UP", details: { line: 2 } });
  });

  test("once it disagreed it is over: nothing answers, and finish says it again although it was caught", async () => {
    const replay = open();
    const channel = replay.connect();
    const first = await errorFrom(() => channel.transceive(fromHex("00B0000000")));
    expect(await errorFrom(() => channel.transceive(verify))).toBe(first);
    expect(await errorFrom(() => channel.reset())).toBe(first);
    expect(await errorFrom(() => replay.connect())).toBe(first);
    await channel.close();
    expect(await errorFrom(() => replay.finish())).toBe(first);
  });

  test("one exchange at a time, and none after close", async () => {
    const channel = open().connect();
    const first = channel.transceive(verify);
    expect(await errorFrom(() => channel.transceive(verify))).toMatchObject({ code: "CHANNEL_BUSY" });
    await first;
    await channel.close();
    expect(await errorFrom(() => channel.reset())).toMatchObject({ code: "CHANNEL_CLOSED" });
  });

  test("power events: a reset meets a power cycle, a close the loss of power", async () => {
    const text = "# hsmadm trace 1\n> 01\n< 90 00\n! power off\n! power on\n! atr 3B 80\n> 02\n< 90 00\n! power off\n";
    const replay = openReplay(text, "t");
    const channel = replay.connect();
    await channel.transceive(Uint8Array.of(1));
    await channel.reset();
    expect(channel.atr).toEqual(fromHex("3B80"));
    await channel.transceive(Uint8Array.of(2));
    await channel.close();
    replay.finish();
    const forgetful = openReplay(text, "t").connect();
    await forgetful.transceive(Uint8Array.of(1));
    expect(await errorFrom(() => forgetful.transceive(Uint8Array.of(2)))).toMatchObject({
      code: "TRACE_OTHER_COMMAND",
      message: "trace t, line 4: other command: expected a loss of power, got 02",
    });
  });

  test("a fault that stands alone is the end of whatever is asked", async () => {
    const text = "# hsmadm trace 1\n> 01\n< 90 00\n! card removed\n  advice: put it back\n";
    for (const ask of ["transceive", "reset"] as const) {
      const channel = openReplay(text, "t").connect();
      await channel.transceive(Uint8Array.of(1));
      const error = await errorFrom(() => (ask === "reset" ? channel.reset() : channel.transceive(Uint8Array.of(9))));
      expect(error).toMatchObject({ code: "CARD_REMOVED", message: "card removed", advice: "put it back" });
    }
  });
});

describe("what was sent does not show in a message", () => {
  const harmless: [string, string, string][] = [
    ["a file read", "00B1CC0004540200FF0000", "00 B1 CC 00 04 54 02 00 FF 00 00"],
    ["a selection", "00A4040002E82B", "00 A4 04 00 02 E8 2B"],
    ["no data, extended", "80580000000000", "80 58 00 00 00 00 00"],
  ];
  test.each(harmless)("but %s does", async (_, sent, shown) => {
    const error = await errorFrom(() => open().connect().transceive(fromHex(sent)));
    expect(error.message).toContain(`got ${shown}`);
  });

  test("where the trace has no mask, only bytes that stand in the trace are shown", async () => {
    const foreign = "# hsmadm trace 1\n> 00 20 00 81 06 36 34 38 32 31 39\n< 90 00\n";
    const error = await errorFrom(() =>
      openReplay(foreign, "t").connect().transceive(fromHex("0020008106363439393131")),
    );
    expect(error.message).toMatch(/got 00 20 00 81 06 36 34 \?\? \?\? 31 \?\?$/);
  });

  test("for any command with any data", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(0x20, 0x24, 0x2c, 0x50, 0x52, 0xd7, 0x62, 0x00),
        fc.constantFrom(0x00, 0x80),
        fc.array(fc.constantFrom(0xe1, 0xe2, 0xe3), { minLength: 2, maxLength: 60 }),
        async (ins, cla, secret) => {
          const command = Uint8Array.of(cla, ins, 0, 0x81, secret.length, ...secret);
          fc.pre(secret.length !== 6);
          const error = await errorFrom(() => open().connect().transceive(command));
          expect(JSON.stringify([error.message, error.advice, error.details])).not.toMatch(/E[123]/);
        },
      ),
    );
  });
});

describe("recorded and replayed", () => {
  const bytes = fc.uint8Array({ maxLength: 80 });
  const call = fc.oneof(
    fc.record({ kind: fc.constant("command" as const), command: bytes, answer: bytes }),
    fc.record({ kind: fc.constant("command fails" as const), command: bytes, fault: fc.constantFrom(...faultNames) }),
    fc.record({
      kind: fc.constant("reset" as const),
      fault: fc.option(fc.constantFrom(...faultNames), { nil: undefined }),
    }),
  );

  test("any session gives the same answers, errors and ATRs again", async () => {
    const folder = mkdtempSync(join(tmpdir(), "hsmadm-replay-"));
    try {
      await fc.assert(
        fc.asyncProperty(fc.array(fc.array(call, { maxLength: 6 }), { maxLength: 3 }), async (sessions) => {
          const path = join(folder, "t.apdu");
          const recorder = await TraceRecorder.create(path, { overwrite: true });
          const seen: unknown[] = [];
          for (const calls of sessions) {
            let now = 0;
            const inner = fakeChannel(
              () => {
                const current = calls[now];
                if (current?.kind === "command") return current.answer;
                throw new TransportError(current?.kind === "command fails" ? current.fault : "TIMEOUT", "no answer");
              },
              {
                reset: async () => {
                  const current = calls[now];
                  if (current?.kind === "reset" && current.fault) throw new TransportError(current.fault, "no reset");
                  inner.atr = otherAtr;
                },
              },
            );
            const channel = recorder.record(inner, openRedactor());
            for (; now < calls.length; now++) seen.push(await ask(channel, calls[now]));
            await channel.close();
          }
          await recorder.finish();
          const replay = openReplay(readFileSync(path, "utf8"), "t");
          const again: unknown[] = [];
          for (const calls of sessions) {
            const channel = replay.connect();
            for (const each of calls) again.push(await ask(channel, each));
            await channel.close();
          }
          replay.finish();
          expect(again).toEqual(seen);
        }),
        { numRuns: 150 },
      );
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  async function ask(
    channel: ReturnType<ReturnType<typeof openReplay>["connect"]>,
    what: { kind: string; command?: Uint8Array } | undefined,
  ): Promise<unknown> {
    try {
      if (what?.kind === "reset") await channel.reset();
      else return [...(await channel.transceive(what?.command ?? Uint8Array.of())), "with", ...channel.atr];
      return [...channel.atr];
    } catch (error) {
      return error instanceof TransportError ? [error.code, error.message, ...channel.atr] : error;
    }
  }
});
