import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type CommandApdu, decodeCommand, encodeCommand, isExtended } from "../../src/apdu/command.ts";
import { decodeResponse, encodeResponse } from "../../src/apdu/response.ts";
import { fromHex, toHex } from "../../src/bytes/hex.ts";
import { HsmError } from "../../src/errors.ts";

const header = { cla: 0x00, ins: 0xb1, p1: 0x2f, p2: 0x02 };

describe("command APDUs", () => {
  // ISO 7816-4:2013 section 5.1, table 1 and the text on Lc and Le.
  test.each<[string, CommandApdu, string]>([
    ["case 1", header, "00B12F02"],
    ["case 2 short", { ...header, le: 1 }, "00B12F0201"],
    ["case 2 short, Le 256", { ...header, le: 256 }, "00B12F0200"],
    ["case 2 extended, Le 257", { ...header, le: 257 }, "00B12F02000101"],
    ["case 2 extended, Le 65536", { ...header, le: 65_536 }, "00B12F02000000"],
    ["case 2 forced extended", { ...header, le: 16, extended: true }, "00B12F02000010"],
    ["case 3 short", { ...header, data: Uint8Array.of(7, 8) }, "00B12F02020708"],
    ["case 3 forced extended", { ...header, data: Uint8Array.of(7), extended: true }, "00B12F0200000107"],
    ["case 4 short", { ...header, data: Uint8Array.of(7), le: 256 }, "00B12F02010700"],
    ["case 4 extended by Le", { ...header, data: Uint8Array.of(7), le: 65_536 }, "00B12F02000001070000"],
    ["case 1 stays short when forced", { ...header, extended: true }, "00B12F02"],
  ])("%s", (_, command, hex) => {
    expect(toHex(encodeCommand(command))).toBe(hex);
    const back = decodeCommand(fromHex(hex));
    expect(toHex(encodeCommand(back))).toBe(hex);
    expect(back.le).toBe(command.le);
  });

  test("case 3 extended by length: Lc has three bytes", () => {
    const bytes = encodeCommand({ ...header, data: new Uint8Array(256).fill(0xaa) });
    expect(toHex(bytes.subarray(0, 8))).toBe("00B12F02000100AA");
    expect(bytes.length).toBe(4 + 3 + 256);
  });

  const byte = fc.integer({ min: 0, max: 255 });
  const command = fc.record({
    cla: byte,
    ins: byte,
    p1: byte,
    p2: byte,
    data: fc.option(fc.uint8Array({ maxLength: 700 }), { nil: undefined }),
    le: fc.option(fc.oneof(fc.constantFrom(1, 255, 256, 257, 65_535, 65_536), fc.integer({ min: 1, max: 65_536 })), {
      nil: undefined,
    }),
    extended: fc.boolean(),
  });

  test("every command of every case comes back as it was", () => {
    fc.assert(
      fc.property(command, (given) => {
        const { cla, ins, p1, p2, data } = given;
        const back = decodeCommand(encodeCommand(given));
        expect(back).toMatchObject({ cla, ins, p1, p2 });
        expect(back.le).toBe(given.le);
        expect(back.data ?? new Uint8Array(0)).toEqual(data ?? new Uint8Array(0));
        expect(isExtended(back)).toBe(isExtended(given));
      }),
    );
  });

  test("any bytes decode to a command that encodes to the same bytes, or are refused", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        let back: CommandApdu;
        try {
          back = decodeCommand(bytes);
        } catch (error) {
          expect(error).toBeInstanceOf(HsmError);
          expect(error).toMatchObject({ code: "APDU_INVALID" });
          return;
        }
        expect(toHex(encodeCommand(back))).toBe(toHex(bytes));
      }),
    );
  });

  test.each([
    ["no header", "00B12F"],
    ["Lc too long", "00B12F0203AABB"],
    ["bytes after Le", "00B12F0201AA0000"],
    ["extended length cut off", "00B12F020001"],
    ["extended Lc too long", "00B12F02000005AABB"],
    ["extended Lc 0 with data", "00B12F02000000AABB"],
  ])("refuses %s", (_, hex) => {
    expect(() => decodeCommand(fromHex(hex))).toThrow(HsmError);
  });

  test.each<[string, CommandApdu]>([
    ["Le 0", { ...header, le: 0 }],
    ["Le 65537", { ...header, le: 65_537 }],
    ["65536 bytes of data", { ...header, data: new Uint8Array(65_536) }],
    ["a header field that is no byte", { ...header, p1: 256 }],
    ["a header field that is no number", { ...header, p2: Number.NaN }],
  ])("does not encode %s", (_, bad) => {
    expect(() => encodeCommand(bad)).toThrow(HsmError);
  });

  test("a refusal never prints the data, which may be a PIN", () => {
    let message = "";
    try {
      decodeCommand(fromHex("00200081073132333435"));
    } catch (error) {
      message = String(error);
    }
    expect(message).toContain("00 20 00 81");
    expect(message).not.toMatch(/31 ?32/);
  });
});

describe("response APDUs", () => {
  test("data and status word come apart and together again", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 600 }), fc.integer({ min: 0, max: 0xffff }), (data, sw) => {
        const back = decodeResponse(encodeResponse({ data, sw }));
        expect(back.sw).toBe(sw);
        expect(back.data).toEqual(data);
      }),
    );
  });

  test.each(["", "90"])("%j is no answer", (hex) => {
    expect(() => decodeResponse(fromHex(hex))).toThrow("a status word has 2");
  });
});
