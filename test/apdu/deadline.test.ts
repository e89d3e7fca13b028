import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { withDeadline } from "../../src/apdu/deadline.ts";
import { fromHex, toHex } from "../../src/bytes/hex.ts";
import { scripted, silent } from "./support/scripted-channel.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

test("an answer in time passes and leaves no timer behind", async () => {
  expect(toHex(await withDeadline(scripted(["9000"]), 1000).transceive(fromHex("00010000")))).toBe("9000");
  expect(vi.getTimerCount()).toBe(0);
});

test("no answer ends in TIMEOUT (exit 12), and nothing is sent after that", async () => {
  const card = silent();
  const channel = withDeadline(card, 1000);
  const first = expect(channel.transceive(fromHex("00010000"))).rejects.toMatchObject({
    code: "TIMEOUT",
    exitCode: 12,
    layer: "deadline",
    message: "a scripted card did not answer a command within 1 s",
  });
  await vi.advanceTimersByTimeAsync(1000);
  await first;
  await expect(channel.transceive(fromHex("00020000"))).rejects.toMatchObject({ code: "TIMEOUT" });
  await expect(channel.reset()).rejects.toMatchObject({ code: "TIMEOUT" });
  expect(card.sent).toEqual(["00010000"]);
  await channel.close();
  expect(card.closes).toBe(1);
});

test("a command known to be slow has its own time, a shorter one does not shorten the deadline", async () => {
  for (const [patienceMs, expected] of [
    [60_000, 60_000],
    [10, 1000],
  ] as const) {
    let failed = false;
    const pending = withDeadline(silent(), 1000)
      .transceive(fromHex("00460000"), { patienceMs })
      .catch(() => {
        failed = true;
      });
    await vi.advanceTimersByTimeAsync(expected - 1);
    expect(failed).toBe(false);
    await vi.advanceTimersByTimeAsync(1);
    await pending;
    expect(failed).toBe(true);
  }
});

test("a close that hangs after a timeout does not hang the caller", async () => {
  const card = silent();
  const channel = withDeadline({ ...card, where: "x", close: () => new Promise<void>(() => {}) }, 1000);
  channel.transceive(fromHex("00010000")).catch(() => {});
  await vi.advanceTimersByTimeAsync(1000);
  const closing = channel.close();
  await vi.advanceTimersByTimeAsync(1000);
  await closing;
});

test("an answer that comes late is nobody's answer", async () => {
  let late: (bytes: Uint8Array) => void = () => {};
  const card = scripted([() => new Promise<Uint8Array>((resolve) => (late = resolve)), "6A82"]);
  const channel = withDeadline(card, 1000);
  const first = expect(channel.transceive(fromHex("00010000"))).rejects.toMatchObject({ code: "TIMEOUT" });
  await vi.advanceTimersByTimeAsync(1000);
  await first;
  late(fromHex("9000"));
  await expect(channel.transceive(fromHex("00020000"))).rejects.toMatchObject({ code: "TIMEOUT" });
});
