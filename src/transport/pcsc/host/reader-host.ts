/**
 * The reader host: a child process that holds the native PC/SC binding and one card connection.
 *
 * A thread that is stuck in SCardTransmit cannot be ended, and `process.exit` waits for it; a process can be killed.
 * So nothing native is ever loaded into the command itself. The host ignores Ctrl-C (the command decides what to do
 * with the card) and ends when the command goes away, which gives the card back.
 */
import { Worker } from "node:worker_threads";
import { isServiceLoss, mayBeRemoval, type PcscFailure, PcscFailureError, pcscCodes } from "../pcsc-codes.ts";
import type { ReaderInfo } from "../reader-info.ts";
import type { BindingCard, PcscBinding } from "./binding.ts";
import { loadBinding, probeBinding } from "./drivers.ts";
import type { FromHost, HostAnswers, HostFailure, HostRequest, ToHost } from "./messages.ts";

/** How long to look whether a failed exchange was the card being pulled out: pcscd polls readers every 400 ms. */
const removalMs = 1200;

let driver = "";
let binding: PcscBinding | null = null;
let card: BindingCard | null = null;
let readerInUse = "";
let readers: readonly ReaderInfo[] = [];
let readersChanged: () => void = () => {};

async function answer(request: HostRequest): Promise<HostAnswers[keyof HostAnswers]> {
  switch (request.do) {
    case "probe":
      return probeBinding(request.driver);
    case "start":
      await start(request.driver);
      return { driver, readers };
    case "connect": {
      card = await connection().connect(request.reader, request.share);
      readerInUse = request.reader;
      return { atr: card.atr };
    }
    case "transmit":
      return { answer: await transmit(request.command) };
    case "reset":
      return { atr: await connected().reconnect("reset") };
    case "disconnect": {
      const left = card;
      card = null;
      await left?.disconnect();
      return {};
    }
  }
}

async function start(name: string | null): Promise<void> {
  const loaded = await loadBinding(name);
  if ("reasons" in loaded) throw new NotLoadable({ kind: "not-loadable", reasons: loaded.reasons });
  driver = loaded.driver;
  binding = loaded.binding;
  await binding.start({
    readers(list) {
      readers = list;
      readersChanged();
      send({ event: "readers", readers: list });
    },
    broken: (failure) => send({ event: "broken", failure }),
  });
}

/** A card that is pulled out in the middle of a command leaves a success with nothing in it: no status word, no answer. */
async function transmit(command: Uint8Array): Promise<Uint8Array> {
  const bytes = await connected().transmit(command);
  if (bytes.length >= 2) return bytes;
  throw new PcscFailureError("SCardTransmit", pcscCodes.notTransacted, `an answer of ${bytes.length} bytes`);
}

class NotLoadable extends Error {
  readonly failure: HostFailure;
  constructor(failure: HostFailure) {
    super("no binding loads");
    this.failure = failure;
  }
}

function connection(): PcscBinding {
  if (binding === null) throw new Error("the reader host was not started");
  return binding;
}

function connected(): BindingCard {
  if (card === null) throw new PcscFailureError("SCardTransmit", pcscCodes.invalidHandle, "not connected");
  return card;
}

/** Finds out what a failure was about; the failed command itself is never sent again. */
async function explain(error: unknown, request: HostRequest): Promise<HostFailure> {
  if (error instanceof NotLoadable) return error.failure;
  if (!(error instanceof PcscFailureError)) {
    return { kind: "other", text: error instanceof Error ? error.message : String(error) };
  }
  const failure = plain(error);
  const told = { kind: "pcsc", driver, failure, first: null, reconnected: null } as const;
  if (request.do !== "transmit" && request.do !== "reset") return told;
  if (failure.code === pcscCodes.resetCard && card !== null) {
    try {
      return { ...told, reconnected: await card.reconnect("leave") };
    } catch (again) {
      return again instanceof PcscFailureError ? { ...told, failure: plain(again), first: failure } : told;
    }
  }
  const removal = mayBeRemoval(failure.code) ? await removalSeen() : null;
  if (removal === null) return told;
  return { ...told, failure: { call: failure.call, code: removal, text: failure.text }, first: failure };
}

/** Waits a moment for the news that the card or the reader is gone. */
async function removalSeen(): Promise<number | null> {
  const end = Date.now() + removalMs;
  for (;;) {
    const reader = readers.find(({ name }) => name === readerInUse);
    if (reader === undefined) return pcscCodes.readerUnavailable;
    if (reader.state === "empty") return pcscCodes.removedCard;
    const left = end - Date.now();
    if (left <= 0) return null;
    await new Promise<void>((resolve) => {
      const late = setTimeout(resolve, left);
      readersChanged = () => {
        clearTimeout(late);
        resolve();
      };
    });
    readersChanged = () => {};
  }
}

function plain({ call, code, text }: PcscFailureError): PcscFailure {
  return { call, code, text };
}

function send(message: FromHost): void {
  if (process.connected) process.send?.(message, undefined, {}, () => {});
}

/** Not `process.exit`: that waits for native threads. */
function end(): void {
  process.kill(process.pid, "SIGKILL");
}

function giveBackAndEnd(): void {
  setTimeout(end, 1000);
  const left = card;
  card = null;
  (left?.disconnect() ?? Promise.resolve()).then(end, end);
}

/** A native call can hold the main thread of this process, which then does not hear of the command's end: a second thread looks. */
function watchParent(): void {
  const source = `const { workerData } = require("node:worker_threads");
    setInterval(() => { if (process.ppid !== workerData) process.kill(process.pid, "SIGKILL"); }, 500);`;
  new Worker(source, { eval: true, workerData: process.ppid, stdout: false, stderr: false }).unref();
}

process.on("SIGINT", () => {});
process.on("SIGHUP", () => {});
process.on("disconnect", giveBackAndEnd);
// After the connection has ended its handlers may still report "cancelled": there is nobody left to tell.
process.on("uncaughtException", (error: Error) => {
  const code = error instanceof PcscFailureError ? error.code : null;
  send({ event: "broken", failure: { call: "reader host", code, text: error.message } });
});
process.on("message", (message: ToHost) => {
  answer(message).then(
    (result) => {
      send({ id: message.id, ok: true, result });
      if (message.do === "connect") watchParentOnce();
    },
    async (error: unknown) => {
      const failure = await explain(error, message);
      send({ id: message.id, ok: false, failure });
      if (failure.kind === "pcsc" && isServiceLoss(failure.failure.code)) {
        send({ event: "broken", failure: failure.failure });
      }
    },
  );
});

let watched = false;
function watchParentOnce(): void {
  if (watched) return;
  watched = true;
  watchParent();
}
