/** For tests: record what a card says, replay it without the card, or have a simulated one. Loads no native binding. */
export type { ByteRange, ExchangeRedactor, RedactedExchange } from "./apdu/redaction.ts";
export { smartCardHsmRedactor } from "./cards/smartcard-hsm/redactor.ts";
export type { KeyHolder } from "./simulator/certificate-holders.ts";
export { type SimulatedCard, SimulatorChannel } from "./simulator/channel.ts";
export {
  type AuthenticatorOptions,
  type CtapOptions,
  SimulatedAuthenticator,
} from "./simulator/fido2/authenticator.ts";
export type { AuthenticatorStateFile } from "./simulator/fido2/authenticator-file.ts";
export type { AuthenticatorState as SimulatedAuthenticatorState } from "./simulator/fido2/authenticator-state.ts";
export type { Touch, TouchRequest } from "./simulator/fido2/device.ts";
export type { AuthenticatorProfile } from "./simulator/fido2/profile.ts";
export type { AuthenticatorProfileName } from "./simulator/fido2/profile-names.ts";
export type { AuthenticatorSession as SimulatedAuthenticatorSession } from "./simulator/fido2/session.ts";
export type { CardProfile, ProfileName } from "./simulator/profile.ts";
export type { KeyLogin } from "./simulator/public-key-login.ts";
export { repeatableWorld } from "./simulator/repeatable-world.ts";
export type { Session as SimulatedSession } from "./simulator/session.ts";
export { SimulatedToken, type StateSaver } from "./simulator/simulator.ts";
export type { TokenStateFile } from "./simulator/state-file.ts";
export type { TokenState as SimulatedTokenState } from "./simulator/token-state.ts";
export { type ServeOptions, serveVpcd, type VpcdEvent } from "./simulator/vpcd.ts";
export { defaultWorld, type SimulatorWorld } from "./simulator/world.ts";
export { type LoadedTrace, loadAnyTrace, readAnyTrace, type TraceFormat } from "./transport/trace/foreign/any-trace.ts";
export { type RecorderOptions, TraceRecorder } from "./transport/trace/recorder.ts";
export { redactTrace } from "./transport/trace/redact-trace.ts";
export { openReplay, type Replay } from "./transport/trace/replay.ts";
export type {
  CloseStep,
  ExchangeStep,
  FaultStep,
  MaskedBytes,
  PowerOffStep,
  ResetStep,
  Trace,
  TraceAnswer,
  TraceConnection,
  TraceFault,
  TraceStep,
} from "./transport/trace/trace.ts";
export { formatTrace, parseTrace } from "./transport/trace/trace-file.ts";
