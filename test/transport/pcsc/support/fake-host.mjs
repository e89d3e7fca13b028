// A reader host without PC/SC, for what must hold on every machine. The reader's name says how its card behaves.
const readers = [
  "echo",
  "silent",
  "crash",
  "reset",
  "service lost",
  "environment",
  "stuck close",
  "blocked",
  "always lost",
].map((name) => ({
  name,
  state: "present",
  atr: new Uint8Array([0x3b, 0x80]),
}));
const failure = (code, more = {}) => ({
  kind: "pcsc",
  driver: "fake",
  failure: { call: "SCardTransmit", code, text: "fake" },
  first: null,
  reconnected: null,
  ...more,
});
let reader = "";
process.on("SIGINT", () => {});
process.on("message", (message) => {
  const ok = (result) => process.send({ id: message.id, ok: true, result });
  const fail = (what) => process.send({ id: message.id, ok: false, failure: what });
  if (message.do === "start") {
    if (message.driver === "never") return;
    ok({ driver: "fake", readers });
  }
  if (message.do === "probe") ok({ loads: message.driver === "pcsc-mini", version: "1", error: "no" });
  if (message.do === "connect" && message.reader === "always lost") fail(failure(0x8010001e));
  else if (message.do === "connect") {
    reader = message.reader;
    ok({ atr: reader === "blocked" ? new TextEncoder().encode(String(process.pid)) : readers[0].atr });
  }
  if (message.do === "reset") ok({ atr: new Uint8Array([0x3b, 0xfe]) });
  if (message.do === "disconnect" && reader !== "stuck close") ok({});
  if (message.do !== "transmit") return;
  const text = JSON.stringify({ env: process.env, argv: process.argv, execArgv: process.execArgv, pid: process.pid });
  const answers = {
    echo: () => ok({ answer: new Uint8Array([...message.command, 0x90, 0]) }),
    silent: () => {},
    crash: () => process.kill(process.pid, "SIGSEGV"),
    reset: () => fail(failure(0x80100068, { reconnected: readers[0].atr })),
    "service lost": () => process.send({ event: "broken", failure: failure(0x8010001e).failure }),
    environment: () => ok({ answer: new TextEncoder().encode(text) }),
    // As pcsclite does when a state change meets a running SCardTransmit: the whole main thread waits.
    blocked: () => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0),
    "stuck close": () => ok({ answer: new Uint8Array([0x90, 0]) }),
  };
  answers[reader]();
});
