import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { withCommandChaining } from "../../src/apdu/chaining.ts";
import { decodeCommand, encodeCommand } from "../../src/apdu/command.ts";
import { concat } from "../../src/bytes/bytes.ts";
import { fromHex, toHex } from "../../src/bytes/hex.ts";
import { scripted } from "./support/scripted-channel.ts";

const header = { cla: 0x80, ins: 0x74, p1: 1, p2: 0x93 };

describe("command chaining", () => {
  test("the parts join to the data, all but the last carry the chaining bit, the last carries Le", async () => {
    const long = fc.uint8Array({ minLength: 256, maxLength: 2000 });
    const le = fc.option(fc.integer({ min: 1, max: 65_536 }), { nil: undefined });
    await fc.assert(
      fc.asyncProperty(long, le, async (data, le) => {
        const card = scripted(["9000"], true);
        await withCommandChaining(card).transceive(encodeCommand({ ...header, data, le }));
        const parts = card.sent.map((hex) => decodeCommand(fromHex(hex)));
        expect(concat(...parts.map((part) => part.data ?? new Uint8Array(0)))).toEqual(data);
        const last = parts.length - 1;
        parts.forEach((part, i) => {
          expect(part).toMatchObject({ ins: 0x74, p1: 1, p2: 0x93, cla: i === last ? 0x80 : 0x90 });
          expect(part.extended).toBeUndefined();
          expect(part.data?.length).toBeLessThanOrEqual(255);
          expect(part.le).toBe(i === last && le !== undefined ? Math.min(le, 256) : undefined);
        });
      }),
    );
  });

  test("a short command passes as it is", async () => {
    const card = scripted(["9000"]);
    await withCommandChaining(card).transceive(fromHex("0020008106313233343536"));
    expect(card.sent).toEqual(["0020008106313233343536"]);
  });

  test("an extended command with little data becomes short", async () => {
    const card = scripted(["019000"]);
    await withCommandChaining(card).transceive(fromHex("00B1000000000454020000 0000"));
    expect(card.sent).toEqual(["00B10000045402000000"]);
  });

  test("a chain that a card refuses in the middle ends there", async () => {
    const card = scripted(["9000", "6884"]);
    const data = new Uint8Array(1000);
    expect(toHex(await withCommandChaining(card).transceive(encodeCommand({ ...header, data })))).toBe("6884");
    expect(card.sent.length).toBe(2);
  });
});
