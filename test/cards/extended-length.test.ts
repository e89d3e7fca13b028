import { expect, test } from "vitest";
import type { CardChannel } from "../../src/apdu/channel.ts";
import { TransportError } from "../../src/apdu/transport-error.ts";
import { fromHex, toHex } from "../../src/bytes/hex.ts";
import { tryExtendedLength } from "../../src/cards/smartcard-hsm/extended-length.ts";

/** A card that gives one answer, and what it was asked. */
function cardSaying(answer: string | Error): { channel: CardChannel; asked: string[] } {
  const asked: string[] = [];
  const channel: CardChannel = {
    atr: new Uint8Array(0),
    where: "reader",
    async transceive(command) {
      asked.push(toHex(command));
      if (answer instanceof Error) throw answer;
      return fromHex(answer);
    },
    reset: async () => undefined,
    close: async () => undefined,
  };
  return { channel, asked };
}

test("one READ BINARY of EF 2F02 with extended Lc and Le, nothing else", async () => {
  const { channel, asked } = cardSaying(`${"AB".repeat(300)}9000`);
  expect(await tryExtendedLength(channel)).toEqual({ refusedBy: null, longestAnswer: 300, detail: null });
  // Extended: 00, Lc 0004, the offset in data object 54, Le 0000 (reference 02, section 2.2).
  expect(asked).toEqual(["00B12F02000004540200000000"]);
});

test.each([
  ["6700", { refusedBy: "card", longestAnswer: 0, detail: "SW 6700" }],
  ["6A82", { refusedBy: null, longestAnswer: 0, detail: null }],
  ["AABB6282", { refusedBy: null, longestAnswer: 2, detail: null }],
])("%s", async (answer, result) => {
  expect(await tryExtendedLength(cardSaying(answer).channel)).toEqual(result);
});

test("a failed exchange is the reader's refusal; anything else is no verdict on the length", async () => {
  const failed = new TransportError("EXCHANGE_FAILED", "not transacted");
  const refused = { refusedBy: "reader", longestAnswer: 0, detail: "not transacted" };
  expect(await tryExtendedLength(cardSaying(failed).channel)).toEqual(refused);
  for (const error of [new TransportError("TIMEOUT", "late"), new TransportError("CARD_REMOVED", "gone")]) {
    await expect(tryExtendedLength(cardSaying(error).channel)).rejects.toBe(error);
  }
});
