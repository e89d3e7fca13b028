/**
 * hsmadm as a library: the SmartCard-HSM driver, the channel it speaks over, and the errors it throws.
 * Importing this loads no native binding; {@link openPcsc} starts a child process that does.
 */
export type { CardChannel, ExchangeOptions } from "./apdu/channel.ts";
export { type StackOptions, standardStack } from "./apdu/standard-stack.ts";
export { isTransportFault, TransportError, type TransportFault } from "./apdu/transport-error.ts";
export type { ApplicationInfo } from "./cards/smartcard-hsm/application.ts";
export {
  type AttemptPolicy,
  defaultAttemptPolicy,
  type RefusedPinMemory,
} from "./cards/smartcard-hsm/attempt-policy.ts";
export type { InitializeSettings } from "./cards/smartcard-hsm/initialize.ts";
export { checkSoPin, checkUserPin, type PinKind } from "./cards/smartcard-hsm/pins.ts";
export { SmartCardHsm } from "./cards/smartcard-hsm/smartcard-hsm.ts";
export type {
  DkekState,
  PinState,
  TokenIdentity,
  TokenState,
  TokenStatus,
} from "./cards/smartcard-hsm/token-status.ts";
export type { ChainVerdict } from "./crypto/cvc-chain.ts";
export { type ErrorKind, exitCodes, HsmError } from "./errors.ts";
export { type GuardFloors, type GuardJudgement, judge } from "./services/guard.ts";
export { fileLedger } from "./services/ledger.ts";
export { openPcsc, type Pcsc } from "./transport/pcsc/pcsc.ts";
export type { ReaderEvent, ReaderInfo } from "./transport/pcsc/reader-info.ts";
