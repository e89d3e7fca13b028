/** For tests: record what a card says, replay it without the card, or have a simulated one. Loads no native binding. */
export type { ExchangeRedactor } from "./apdu/redaction.ts";
export { smartCardHsmRedactor } from "./cards/smartcard-hsm/redactor.ts";
export { SimulatorChannel } from "./simulator/channel.ts";
export { repeatableWorld } from "./simulator/repeatable-world.ts";
export { SimulatedToken } from "./simulator/simulator.ts";
export { type ServeOptions, serveVpcd } from "./simulator/vpcd.ts";
export { defaultWorld, type SimulatorWorld } from "./simulator/world.ts";
export { readSharedJson } from "./transport/trace/foreign-json.ts";
export { TraceRecorder } from "./transport/trace/recorder.ts";
export { openReplay, type Replay } from "./transport/trace/replay.ts";
export type { Trace } from "./transport/trace/trace.ts";
export { formatTrace, parseTrace } from "./transport/trace/trace-file.ts";
