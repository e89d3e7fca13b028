import { expect, test } from "vitest";
import { encodeCommand } from "../../src/apdu/command.ts";
import { standardStack } from "../../src/apdu/standard-stack.ts";
import { fromHex, toHex } from "../../src/bytes/hex.ts";
import { scripted } from "./support/scripted-channel.ts";

test("long data in a chain, its long answer fetched, with the right length", async () => {
  const card = scripted(["9000", "6110", "6C02", "ABCD9000"]);
  const channel = standardStack(card, { deadlineMs: 1000, chaining: true });
  const command = encodeCommand({ cla: 0x80, ins: 0x74, p1: 0, p2: 0, data: new Uint8Array(300), le: 65_536 });
  expect(toHex(await channel.transceive(command))).toBe("ABCD9000");
  expect(card.sent.map((hex) => hex.slice(0, 8))).toEqual(["90740000", "80740000", "00C00000", "00C00000"]);
});

test("the answer to reset is the transport's of now", () => {
  let atr = fromHex("3B80");
  const card = scripted([]);
  const channel = standardStack(
    {
      ...card,
      get atr() {
        return atr;
      },
    },
    { deadlineMs: 1000 },
  );
  atr = fromHex("3BFE");
  expect(toHex(channel.atr)).toBe("3BFE");
});
