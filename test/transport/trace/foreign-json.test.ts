import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { fromHex, toHex } from "../../../src/bytes/hex.ts";
import { readSharedJson } from "../../../src/transport/trace/foreign-json.ts";
import { redactTrace } from "../../../src/transport/trace/redact-trace.ts";
import { openReplay } from "../../../src/transport/trace/replay.ts";
import { formatTrace, parseTrace } from "../../../src/transport/trace/trace-file.ts";
import { errorFrom, pinRedactor, withoutLines } from "./support.ts";

interface Exchange {
  c: string;
  r: string;
}
interface OpenscSession {
  steps: { exchange: Exchange[] }[];
  atr: string;
}

const recordings = join(import.meta.dirname, "recordings");
const openscFiles = ["opensc-0.23.0-pico-hsm", "opensc-0.27.1-pico-hsm"].flatMap((folder) =>
  readdirSync(join(recordings, folder)).map((file) => `${folder}/${file}`),
);
const read = (file: string) => readFileSync(join(recordings, file), "utf8");

describe("OpenSC's sessions", () => {
  test("are 46 with 8703 exchanges", () => {
    expect(openscFiles).toHaveLength(46);
    const exchanges = openscFiles.flatMap((file) =>
      readSharedJson(read(file), file).connections.flatMap((connection) => connection.steps),
    );
    expect(exchanges).toHaveLength(4486 + 4217);
  });

  test.each(openscFiles)("%s replays byte for byte", async (file) => {
    const text = read(file);
    const session = JSON.parse(text) as OpenscSession;
    const replay = openReplay(readSharedJson(text, file), file);
    expect(replay.connections).toBe(session.steps.length);
    for (const step of session.steps) {
      const channel = replay.connect();
      expect(toHex(channel.atr).toLowerCase()).toBe(session.atr);
      for (const { c, r } of step.exchange) expect(await channel.transceive(fromHex(c))).toEqual(fromHex(r));
      await channel.close();
    }
    replay.finish();
  });

  test("can be written in our own format", () => {
    for (const file of openscFiles.filter((name) => /(17|03|12)-/.test(name))) {
      const trace = readSharedJson(read(file), file);
      expect(withoutLines(parseTrace(formatTrace(trace), file))).toEqual(withoutLines(trace));
    }
  });

  test("say in errors where in the file the command stands", async () => {
    const file = "opensc-0.23.0-pico-hsm/17-pin-blocked-unblock.json";
    const text = read(file);
    const trace = readSharedJson(text, file);
    for (const connection of trace.connections) {
      for (const step of connection.steps) {
        if (step.kind !== "exchange") throw new Error("only exchanges are here");
        const line = text.split("\n")[step.line - 1] ?? "";
        expect(line).toContain(`{"c": "${toHex(step.command.bytes).toLowerCase()}"`);
      }
    }
  });

  test("lose their PINs by redaction, in bytes and in words", () => {
    const file = "opensc-0.23.0-pico-hsm/17-pin-blocked-unblock.json";
    const pins = [0x20, 0x24, 0x2c];
    const redactor = () => ({
      ...pinRedactor(),
      redact: (command: Uint8Array) =>
        pins.includes(command[1] ?? 0)
          ? { command: [{ start: 5, end: command.length }], response: [], note: "PIN" }
          : { command: [], response: [] },
    });
    const text = formatTrace(redactTrace(readSharedJson(read(file), file), redactor));
    expect(read(file)).toContain("648219");
    expect(text).toContain("> 00 20 00 81 06 ** ** ** ** ** **          PIN");
    expect(/648219|36 34 38 32 31 39/.test(text)).toBe(false);
  });
});

describe("FIDO2 sessions over PC/SC", () => {
  test("power events before the first command belong to the connect, later ones are a reset", async () => {
    const trace = readSharedJson(read("fido2-pcsc/pin-blocked.json"), "p");
    const kinds = trace.connections[0]?.steps.map((step) => step.kind).join(" ");
    expect(trace.connections).toHaveLength(1);
    expect(kinds?.match(/power-off reset/g)).toHaveLength(2);
    const first = readSharedJson(read("fido2-pcsc/preflight-after-power-cycle.json"), "p").connections[0]?.steps[0];
    expect(first?.kind).toBe("exchange");
  });

  test("are read", () => {
    for (const file of readdirSync(join(recordings, "fido2-pcsc"))) readSharedJson(read(`fido2-pcsc/${file}`), file);
  });
});

describe("events", () => {
  test("a card that was removed is a fault", async () => {
    const text =
      '{"steps":[{"exchange":[{"c":"00","r":"9000"},{"e":"reset"},{"c":"01","r":"9000"},{"e":"card_removed"}]}]}';
    const channel = openReplay(readSharedJson(text, "t"), "t").connect();
    await channel.transceive(Uint8Array.of(0));
    await channel.reset();
    await channel.transceive(Uint8Array.of(1));
    expect(await errorFrom(() => channel.transceive(Uint8Array.of(2)))).toMatchObject({ code: "CARD_REMOVED" });
  });
});

describe("JSON that is no session is refused with the place", () => {
  const bad: [string, string, RegExp][] = [
    ["a file cut off", '{"steps": [', /not JSON/],
    ["a list", "[]", /the file is not an object/],
    ["something else", "{}", /neither `steps` nor `apdus`/],
    ["HID packets", read("fido2-hid-ping.json"), /neither `steps` nor `apdus`/],
    ["steps that are no list", '{"steps": 1}', /steps is not a list/],
    ["a step without exchanges", '{"steps": [{}]}', /steps\[0\].exchange is not a list/],
    [
      "a command that is not hex",
      '{"steps": [{"exchange": [{"c": "0g", "r": "9000"}]}]}',
      /steps\[0\].exchange\[0\].c is not hex/,
    ],
    ["half a byte", '{"apdus": [{"c": "000", "r": "9000"}]}', /apdus\[0\].c is not hex/],
    ["an answer that is missing", '{"apdus": [{"c": "00"}]}', /apdus\[0\].r is not a text/],
    ["an unknown event", '{"apdus": [{"event": "explode"}]}', /apdus\[0\].e is not an event/],
    ["an exchange of null", '{"apdus": [null]}', /apdus\[0\] is not an object/],
    ["a command of a megabyte", `{"apdus": [{"c": "${"00".repeat(1_000_000)}", "r": "9000"}]}`, /longer than any APDU/],
    ["an ATR that is a number", '{"atr": 3, "apdus": []}', /atr is not a text/],
  ];
  test.each(bad)("%s", async (_, text, message) => {
    const error = await errorFrom(() => readSharedJson(text, "t"));
    expect(error).toMatchObject({ code: "TRACE_INVALID", kind: "usage" });
    expect(error.message).toMatch(message);
  });

  test("or is read, whatever it is", () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.jsonValue(), (steps, apdus) => {
        try {
          readSharedJson(JSON.stringify({ steps, apdus }), "t");
        } catch (error) {
          expect(error).toMatchObject({ code: "TRACE_INVALID" });
        }
      }),
    );
  });
});
