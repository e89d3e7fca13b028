import { expect, test } from "vitest";
import { oneAtATime } from "../../src/apdu/one-at-a-time.ts";
import { fromHex, toHex } from "../../src/bytes/hex.ts";
import { scripted, silent } from "./support/scripted-channel.ts";

test("a second command before the first has answered throws and is not sent", async () => {
  let answer: (bytes: Uint8Array) => void = () => {};
  const card = scripted([() => new Promise<Uint8Array>((resolve) => (answer = resolve)), "9000"]);
  const channel = oneAtATime(card);
  const first = channel.transceive(fromHex("00010000"));
  await expect(channel.transceive(fromHex("00020000"))).rejects.toMatchObject({ code: "CHANNEL_BUSY" });
  await expect(channel.reset()).rejects.toMatchObject({ code: "CHANNEL_BUSY" });
  answer(fromHex("9000"));
  expect(toHex(await first)).toBe("9000");
  expect(card.sent).toEqual(["00010000"]);
  expect(toHex(await channel.transceive(fromHex("00030000")))).toBe("9000");
});

test("a failed exchange leaves the channel free", async () => {
  const channel = oneAtATime(scripted([() => Promise.reject(new Error("gone")), "9000"]));
  await expect(channel.transceive(fromHex("00010000"))).rejects.toThrow("gone");
  expect(toHex(await channel.transceive(fromHex("00010000")))).toBe("9000");
});

test("close is allowed while an exchange hangs, is done once, and ends the channel", async () => {
  const card = silent();
  const channel = oneAtATime(card);
  channel.transceive(fromHex("00010000")).catch(() => {});
  await channel.close();
  await channel.close();
  expect(card.closes).toBe(1);
  await expect(channel.transceive(fromHex("00020000"))).rejects.toMatchObject({ code: "CHANNEL_CLOSED" });
  expect(card.sent).toEqual(["00010000"]);
});
