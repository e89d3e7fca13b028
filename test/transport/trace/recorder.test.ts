import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { CardChannel } from "../../../src/apdu/channel.ts";
import { standardStack } from "../../../src/apdu/standard-stack.ts";
import { TransportError } from "../../../src/apdu/transport-error.ts";
import { fromHex, toHex } from "../../../src/bytes/hex.ts";
import { TraceRecorder } from "../../../src/transport/trace/recorder.ts";
import { openReplay } from "../../../src/transport/trace/replay.ts";
import { parseTrace } from "../../../src/transport/trace/trace-file.ts";
import { atr, errorFrom, fakeChannel, faultNames, openRedactor, otherAtr, pinRedactor } from "./support.ts";

const now = () => new Date("2026-11-20T10:00:00.123Z");
const ok = Uint8Array.of(0x90, 0);
let folder = "";
let path = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "hsmadm-trace-"));
  path = join(folder, "session.apdu");
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const create = () => TraceRecorder.create(path, { header: { tool: "hsmadm 0" }, now });
const textOf = async (recorder: TraceRecorder) => {
  await recorder.finish();
  return readFileSync(path, "utf8");
};

describe("a recording", () => {
  test("is the session, with the PIN masked", async () => {
    const recorder = await create();
    const channel = recorder.record(
      fakeChannel((command) => (command[1] === 0x20 ? fromHex("63C2") : ok)),
      pinRedactor(),
    );
    await channel.transceive(fromHex("0020008106363438323139"));
    await channel.reset();
    await channel.transceive(fromHex("00A4040000"));
    await channel.close();
    expect(await textOf(recorder)).toBe(
      [
        "# hsmadm trace 1",
        "# tool: hsmadm 0",
        "# recorded: 2026-11-20T10:00:00Z",
        "",
        "! connect sim:test",
        "! atr 3B FE 18 00 00 81 31 FE 45 80 31 81 54 48 53 4D 31 73 80 21 40 81 07 FA",
        "> 00 20 00 81 06 ** ** ** ** ** **          VERIFY user PIN",
        "< 63 C2",
        "! reset",
        "! atr 3B FE 18 00 00 81 31 FE 45 80 31 81 54 48 53 4D 31 73 80 21 40 81 07 FA",
        "> 00 A4 04 00 00",
        "< 90 00",
        "! close",
        "",
      ].join("\n"),
    );
  });

  test("passes everything on unchanged, errors too", async () => {
    const failure = new TransportError("CARD_REMOVED", "gone");
    const inner = fakeChannel((_, n) => (n === 0 ? fromHex("01029000") : Promise.reject(failure)));
    const recorder = await create();
    const channel = recorder.record(inner, openRedactor());
    const command = fromHex("00B0000000");
    expect(await channel.transceive(command)).toEqual(fromHex("01029000"));
    expect(inner.calls[0]).toEqual(command);
    expect(channel.atr).toEqual(atr);
    expect(channel.where).toBe("sim:test");
    await expect(channel.transceive(command)).rejects.toBe(failure);
    await recorder.abandon();
  });

  test("any fault that happened happens again in replay, whichever call it met", async () => {
    for (const fault of faultNames) {
      for (const place of ["transceive", "reset", "close", "connect"] as const) {
        const error = new TransportError(fault, `it failed: ${fault}`, {
          advice: "try again",
          layer: "pcsclite",
          attempts: 3,
        });
        const fail = () => Promise.reject(error);
        const recorder = await TraceRecorder.create(path, { overwrite: true, now });
        if (place === "connect") recorder.recordFailedConnect("reader", error);
        else {
          const inner = place === "transceive" ? fakeChannel(fail) : fakeChannel(() => ok, { [place]: fail });
          await meet(recorder.record(inner, openRedactor()), place);
        }
        const replay = openReplay(await textOf(recorder), "t");
        const again = await errorFrom(() =>
          place === "connect" ? replay.connect() : meet(replay.connect(), place, true),
        );
        expect(again, `${fault} in ${place}`).toBeInstanceOf(TransportError);
        expect(again).toMatchObject({
          code: fault,
          kind: error.kind,
          message: error.message,
          advice: "try again",
          layer: "pcsclite",
          attempts: 3,
        });
        replay.finish();
      }
    }
  });

  test("an ATR that changed with a reset or with CARD_RESET is the new one in replay", async () => {
    const inner = fakeChannel(() => {
      inner.atr = otherAtr;
      return Promise.reject(new TransportError("CARD_RESET", "reset by another program"));
    });
    const recorder = await create();
    const channel = recorder.record(inner, openRedactor());
    await errorFrom(() => channel.transceive(Uint8Array.of(0)));
    inner.atr = atr;
    await channel.reset();
    await channel.close();
    const replayed = openReplay(await textOf(recorder), "t").connect();
    expect(replayed.atr).toEqual(atr);
    await errorFrom(() => replayed.transceive(Uint8Array.of(0)));
    expect(replayed.atr).toEqual(otherAtr);
    await replayed.reset();
    expect(replayed.atr).toEqual(atr);
  });

  test("an exchange whose deadline ran out above the recorder is a timeout, though the card answers late", async () => {
    let late: (answer: Uint8Array) => void = () => undefined;
    const inner = fakeChannel(() => new Promise<Uint8Array>((resolve) => (late = resolve)));
    const recorder = await create();
    const channel = standardStack(recorder.record(inner, pinRedactor()), { deadlineMs: 5 });
    expect(await errorFrom(() => channel.transceive(fromHex("0020008106363438323139")))).toMatchObject({
      code: "TIMEOUT",
    });
    await channel.close();
    late(ok);
    await Promise.resolve();
    const text = await textOf(recorder);
    expect(text).toContain(
      "> 00 20 00 81 06 ** ** ** ** ** **          VERIFY user PIN\n! timeout  sim:test did not answer",
    );
    expect(text).not.toContain("< ");
    const replay = openReplay(text, "t");
    const replayed = standardStack(replay.connect(), { deadlineMs: 1000 });
    for (const command of ["0020008106363438323139", "00200081"]) {
      expect(await errorFrom(() => replayed.transceive(fromHex(command)))).toMatchObject({ code: "TIMEOUT" });
    }
    await replayed.close();
    replay.finish();
  });

  test("finish writes down what is still under way", async () => {
    const recorder = await create();
    const channel = recorder.record(
      fakeChannel(() => new Promise(() => undefined)),
      openRedactor(),
    );
    void channel.transceive(fromHex("00A4")).catch(() => undefined);
    expect(await textOf(recorder)).toMatch(/> 00 A4\n! timeout/);
  });

  test("no name, message or note can begin a line of its own", async () => {
    const evil = "a\n> 00 20 00 81\r\n< 90 00\u2028! reset\u0085\u0000x";
    const recorder = await TraceRecorder.create(path, { now, header: { tool: evil } });
    const inner = fakeChannel(() => Promise.reject(new TransportError("READER_GONE", evil, { advice: evil })), {
      where: evil,
    });
    const channel = recorder.record(inner, {
      redact: () => ({ command: [], response: [], note: evil }),
      restart: () => undefined,
    });
    await errorFrom(() => channel.transceive(Uint8Array.of(1)));
    const trace = parseTrace(await textOf(recorder), "t");
    expect(trace.header["tool"]).toMatch(/^a > 00 20 00 81 {2}< 90 00 ! reset {2}x$/);
    expect(trace.connections).toHaveLength(1);
    expect(trace.connections[0]?.where).toBe(trace.header["tool"]);
    expect(trace.connections[0]?.steps).toHaveLength(1);
    expect(trace.connections[0]?.steps[0]).toMatchObject({
      note: trace.header["tool"],
      outcome: { fault: "READER_GONE" },
    });
  });

  test("two commands at once are refused and not recorded", async () => {
    const recorder = await create();
    const channel = recorder.record(
      fakeChannel(() => ok),
      openRedactor(),
    );
    const first = channel.transceive(Uint8Array.of(1));
    expect(await errorFrom(() => channel.transceive(Uint8Array.of(2)))).toMatchObject({ code: "CHANNEL_BUSY" });
    await first;
    expect(await textOf(recorder)).not.toContain("> 02");
  });

  test("two tokens at once take turns in the file and part again in replay", async () => {
    const recorder = await create();
    const tokens = ["a", "b"].map((where, i) =>
      recorder.record(
        fakeChannel((_, n) => Uint8Array.of(i, n, 0x90, 0), { where }),
        openRedactor(),
      ),
    );
    for (let n = 0; n < 3; n++) for (const token of tokens) await token.transceive(Uint8Array.of(0, n));
    for (const token of tokens) await token.close();
    const text = await textOf(recorder);
    expect(text).toContain("! connection 1");
    const replay = openReplay(text, "t");
    const channels = [replay.connect(), replay.connect()];
    for (const [i, channel] of channels.entries()) {
      for (let n = 0; n < 3; n++)
        expect(await channel.transceive(Uint8Array.of(0, n))).toEqual(Uint8Array.of(i, n, 0x90, 0));
      await channel.close();
    }
    replay.finish();
  });
});

describe("secrets", () => {
  test("a redactor that throws, or talks nonsense, leaves header and status word only", async () => {
    const nonsense = [{ start: -1, end: 3 }];
    const redactors = [
      () => {
        throw new Error("redactor");
      },
      () => ({ command: nonsense, response: [] }),
      () => ({ command: [{ start: 5, end: Number.NaN }], response: [] }),
      () => ({ command: [], response: [{ start: 9, end: 2 }] }),
    ];
    for (const redact of redactors) {
      const recorder = await TraceRecorder.create(path, { overwrite: true, now });
      const channel = recorder.record(
        fakeChannel(() => fromHex("AABBCC9000")),
        { redact, restart: () => undefined },
      );
      await channel.transceive(fromHex("0020008106363438323139"));
      const text = await textOf(recorder);
      expect(text).toContain("> 00 20 00 81 ** ** ** ** ** ** **          redacted whole\n< ** ** ** 90 00\n");
    }
  });

  test("the status word stays, whatever the redactor says", async () => {
    const recorder = await create();
    const everything = [{ start: 0, end: 99 }];
    const channel = recorder.record(
      fakeChannel(() => fromHex("AABB6982")),
      {
        redact: () => ({ command: [], response: everything }),
        restart: () => undefined,
      },
    );
    await channel.transceive(fromHex("0062"));
    expect(await textOf(recorder)).toContain("< ** ** 69 82\n");
  });

  test("the redactor hears of resets, and gets copies", async () => {
    let restarts = 0;
    const recorder = await create();
    const inner = fakeChannel((_, n) =>
      n === 1 ? Promise.reject(new TransportError("CARD_RESET", "x")) : fromHex("019000"),
    );
    const channel = recorder.record(inner, {
      redact: (command, response) => {
        command.fill(0xee);
        response.fill(0xee);
        return { command: [], response: [] };
      },
      restart: () => void restarts++,
    });
    const command = fromHex("00B0000000");
    expect(await channel.transceive(command)).toEqual(fromHex("019000"));
    expect(command).toEqual(fromHex("00B0000000"));
    await errorFrom(() => channel.transceive(command));
    await channel.reset();
    expect(restarts).toBe(2);
    expect(await textOf(recorder)).not.toContain("EE");
  });

  test("a secret that the redactor names is nowhere in the folder, in no spelling, during the session or after", async () => {
    const secretByte = fc.constantFrom(...new TextEncoder().encode("QZJX"));
    const otherByte = fc.integer({ min: 0, max: 15 });
    const secret = fc
      .uint8Array({ minLength: 4, maxLength: 40 })
      .chain(({ length }) => fc.array(secretByte, { minLength: length, maxLength: length }));
    const part = (bytes: fc.Arbitrary<number[]>, hidden: boolean) => bytes.map((values) => ({ hidden, values }));
    const message = fc.array(fc.oneof(part(secret, true), part(fc.array(otherByte, { maxLength: 40 }), false)), {
      maxLength: 4,
    });
    const outcome = fc.constantFrom("answer", "fault", "throwing redactor");
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(message, message, outcome), { minLength: 1, maxLength: 4 }),
        async (session) => {
          rmSync(path, { force: true });
          const recorder = await create();
          let n = 0;
          const plain = (parts: (typeof session)[number][0]) => Uint8Array.from(parts.flatMap((each) => each.values));
          const ranges = (parts: (typeof session)[number][0], offset: number) => {
            let at = offset;
            return parts.flatMap(({ hidden, values }) => {
              const range = { start: at, end: at + values.length };
              at = range.end;
              return hidden ? [range] : [];
            });
          };
          const command = (i: number) => Uint8Array.of(0, 0x20, 0, 0x81, ...plain(session[i]?.[0] ?? []));
          const inner = fakeChannel((_, i) => {
            if (session[i]?.[2] === "fault") throw new TransportError("TIMEOUT", "late");
            return Uint8Array.of(...plain(session[i]?.[1] ?? []), 0x90, 0);
          });
          const channel = recorder.record(inner, {
            redact: (_, response) => {
              const [sent, got, how] = session[n] ?? [[], [], "answer"];
              if (how === "throwing redactor") throw new Error(toHex(plain(sent)));
              return { command: ranges(sent, 4), response: response.length === 0 ? [] : ranges(got, 0) };
            },
            restart: () => undefined,
          });
          for (; n < session.length; n++) {
            await channel.transceive(command(n)).catch(() => undefined);
            expectNoSecret();
          }
          await recorder.finish();
          expectNoSecret();
        },
      ),
      { numRuns: 100 },
    );
  });

  // Secrets are made of Q, Z, J and X (51, 5A, 4A, 58), other bytes are below 10 (hex), and no other text has these letters.
  function expectNoSecret(): void {
    for (const name of readdirSync(folder)) {
      const text = readFileSync(join(folder, name), "utf8").replaceAll(/^! atr .*$/gm, "");
      expect(text).not.toMatch(/[QZJX]{2}|51|5A|4A|58/i);
      expect(Buffer.from(text.match(/[A-Za-z0-9+/]{8,}/g)?.join("") ?? "", "base64").toString("latin1")).not.toMatch(
        /[QZJX]{4}/,
      );
    }
  }
});

describe("the file", () => {
  test("has its name when it is whole, and mode 0600 all the time", async () => {
    const recorder = await create();
    const [temporary, ...others] = readdirSync(folder);
    expect(others).toEqual([]);
    expect(temporary).toMatch(/^\.session\.apdu\..*\.partial$/);
    expect(statSync(join(folder, temporary ?? "")).mode & 0o777).toBe(0o600);
    await recorder.finish();
    await recorder.finish();
    expect(readdirSync(folder)).toEqual(["session.apdu"]);
    expect(statSync(path).mode & 0o777).toBe(0o600);
  });

  test("one that exists is a conflict and is left as it is", async () => {
    writeFileSync(path, "mine");
    expect(await errorFrom(create)).toMatchObject({ code: "TRACE_EXISTS", kind: "conflict" });
    expect(readFileSync(path, "utf8")).toBe("mine");
    expect(readdirSync(folder)).toEqual(["session.apdu"]);
  });

  test("one that came into being meanwhile is a conflict too", async () => {
    const recorder = await create();
    writeFileSync(path, "mine");
    expect(await errorFrom(() => recorder.finish())).toMatchObject({ code: "TRACE_EXISTS", kind: "conflict" });
    expect(readFileSync(path, "utf8")).toBe("mine");
    expect(readdirSync(folder)).toEqual(["session.apdu"]);
  });

  test("is replaced only when told to, and only at the end", async () => {
    writeFileSync(path, "old");
    const recorder = await TraceRecorder.create(path, { overwrite: true, now });
    expect(readFileSync(path, "utf8")).toBe("old");
    expect(await textOf(recorder)).toMatch(/^# hsmadm trace 1\n/);
    expect(statSync(path).mode & 0o777).toBe(0o600);
  });

  test("abandon leaves nothing", async () => {
    const recorder = await create();
    await recorder.abandon();
    await recorder.finish();
    expect(readdirSync(folder)).toEqual([]);
  });

  test("a folder that is not there, or in which nobody may write, is told before anything is sent", async () => {
    const missing = join(folder, "no", "t.apdu");
    expect(await errorFrom(() => TraceRecorder.create(missing))).toMatchObject({
      code: "TRACE_NOT_WRITABLE",
      kind: "service",
    });
    const shut = join(folder, "shut");
    mkdirSync(shut);
    chmodSync(shut, 0o500);
    if (process.getuid?.() !== 0) {
      expect(await errorFrom(() => TraceRecorder.create(join(shut, "t")))).toMatchObject({
        code: "TRACE_NOT_WRITABLE",
      });
    }
    expect(existsSync(missing)).toBe(false);
  });

  test.skipIf(!existsSync("/dev/full"))(
    "a name that cannot be a file is told at the end and leaves nothing",
    async () => {
      const target = join(folder, "target");
      const recorder = await TraceRecorder.create(target, { overwrite: true });
      mkdirSync(target);
      expect(await errorFrom(() => recorder.finish())).toMatchObject({ code: "TRACE_NOT_WRITABLE" });
      expect(readdirSync(folder)).toEqual(["target"]);
    },
  );
});

async function meet(channel: CardChannel, place: "transceive" | "reset" | "close", rethrow = false): Promise<void> {
  try {
    if (place === "transceive") await channel.transceive(fromHex("00A4040000"));
    else await channel[place]();
  } catch (error) {
    if (rethrow) throw error;
  } finally {
    if (place !== "close") await channel.close();
  }
}
