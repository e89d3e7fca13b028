import { expect, test } from "vitest";
import type { CtapChannel, CtapSendOptions } from "../../src/apdu/ctap-channel.ts";
import { watchedAuthenticator } from "../../src/cli/devices/authenticator-watch.ts";

const message = Uint8Array.of(2);

function asking(answer: (options: CtapSendOptions) => Promise<Uint8Array>): CtapChannel {
  return { where: "test", send: (_, options = {}) => answer(options), close: async () => undefined };
}

function keepAlives(...statuses: number[]): CtapChannel {
  return asking(async ({ onKeepAlive }) => {
    for (const status of statuses) onKeepAlive?.(status);
    return Uint8Array.of(0);
  });
}

test("a touch is asked for once in a command, and again in the next", async () => {
  let touches = 0;
  const watched = watchedAuthenticator(keepAlives(1, 2, 2, 2, 2), {
    signal: new AbortController().signal,
    onTouch: () => touches++,
  });
  const told: number[] = [];
  await watched.send(message, { onKeepAlive: (status) => told.push(status) });
  expect(touches).toBe(1);
  expect(told).toEqual([1, 2, 2, 2, 2]);
  await watched.send(message);
  expect(touches).toBe(2);
});

test("a silent question that is cancelled at the first sign of a touch asks nobody", async () => {
  let touches = 0;
  const options = { signal: new AbortController().signal, onTouch: () => touches++ };
  await watchedAuthenticator(keepAlives(1, 2), options).send(message);
  expect(touches).toBe(0);
});

test("Ctrl-C cancels on the authenticator, then ends the command; nothing is sent after it", async () => {
  const stop = new AbortController();
  let sent = 0;
  const channel = asking(({ signal }) => {
    sent++;
    return new Promise((resolve) => signal?.addEventListener("abort", () => resolve(Uint8Array.of(0x2d))));
  });
  const watched = watchedAuthenticator(channel, { signal: stop.signal, onTouch: () => undefined });
  const answer = watched.send(message);
  stop.abort();
  await expect(answer).rejects.toMatchObject({ kind: "interrupted" });
  await expect(watched.send(message)).rejects.toMatchObject({ kind: "interrupted" });
  expect(sent).toBe(1);
});

test("a caller's own cancellation is no interruption", async () => {
  const own = new AbortController();
  const channel = asking(
    ({ signal }) => new Promise((resolve) => signal?.addEventListener("abort", () => resolve(Uint8Array.of(0x2d)))),
  );
  const watched = watchedAuthenticator(channel, { signal: new AbortController().signal, onTouch: () => undefined });
  const answer = watched.send(message, { signal: own.signal });
  own.abort();
  expect(await answer).toEqual(Uint8Array.of(0x2d));
});
