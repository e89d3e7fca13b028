/**
 * hsmadm as a library: the SmartCard-HSM driver, the channel it speaks over, and the errors it throws.
 * Importing this loads no native binding; {@link openPcsc} starts a child process that does.
 */
export type { CardChannel, ExchangeOptions } from "./apdu/channel.ts";
export { type StackOptions, standardStack } from "./apdu/standard-stack.ts";
export {
  isTransportFault,
  TransportError,
  type TransportErrorOptions,
  type TransportFault,
} from "./apdu/transport-error.ts";
export type { ApplicationInfo } from "./cards/smartcard-hsm/application.ts";
export type { OnceCounted } from "./cards/smartcard-hsm/attempt.ts";
export {
  type AttemptPolicy,
  defaultAttemptPolicy,
  type RefusedPinMemory,
} from "./cards/smartcard-hsm/attempt-policy.ts";
export type { InitializeSettings } from "./cards/smartcard-hsm/initialize.ts";
export type { HashName } from "./cards/smartcard-hsm/keys/algorithms.ts";
export type { DecryptScheme } from "./cards/smartcard-hsm/keys/decrypt.ts";
export type { NewAesKey, NewKeyPair } from "./cards/smartcard-hsm/keys/generate.ts";
export type { KeyMetadata } from "./cards/smartcard-hsm/keys/key-metadata.ts";
export type { KeyPairType } from "./cards/smartcard-hsm/keys/key-template.ts";
export type { CertificateKind, TokenPublicKey } from "./cards/smartcard-hsm/keys/public-key.ts";
export type { SignScheme } from "./cards/smartcard-hsm/keys/sign.ts";
export type { KeyInUse, TokenKey } from "./cards/smartcard-hsm/keys/token-key.ts";
export { checkSoPin, checkUserPin, type PinKind } from "./cards/smartcard-hsm/pins.ts";
export type {
  KeyDescription,
  KeyKind,
  KeyUsage,
  NewKeyDescription,
} from "./cards/smartcard-hsm/pkcs15-key-description.ts";
export type {
  AuthenticationStatus,
  RegisteredKey,
} from "./cards/smartcard-hsm/public-key-authentication/authentication-commands.ts";
export type { PossessionProof } from "./cards/smartcard-hsm/public-key-authentication/chip-authentication.ts";
export type {
  CustodianCredentials,
  PublicKeyAuthentication,
} from "./cards/smartcard-hsm/public-key-authentication/public-key-authentication.ts";
export type { LoggedIn } from "./cards/smartcard-hsm/session.ts";
export { type PinChange, type PinUnblock, SmartCardHsm } from "./cards/smartcard-hsm/smartcard-hsm.ts";
export type {
  DeviceEvidence,
  DkekState,
  PinState,
  PinStateName,
  TokenIdentity,
  TokenState,
  TokenStatus,
} from "./cards/smartcard-hsm/token-status.ts";
export type { AuthenticatedRequest, Cvc, CvcPublicKey, DeviceCertificates } from "./crypto/cvc/cvc.ts";
export type { ChainVerdict, TrustedRoot } from "./crypto/cvc/cvc-chain.ts";
export type { PublicKey } from "./crypto/keys/public-key-formats.ts";
export { type ErrorKind, exitCodes, HsmError, type HsmErrorOptions } from "./errors.ts";
export { type GuardFloors, type GuardJudgement, judge } from "./services/pins/guard.ts";
export { fileLedger } from "./services/pins/ledger.ts";
export type { DriverName } from "./transport/pcsc/driver-name.ts";
export type { Share } from "./transport/pcsc/host/messages.ts";
export { openPcsc, type Pcsc, type PcscOptions } from "./transport/pcsc/pcsc.ts";
export type { ReaderEvent, ReaderInfo } from "./transport/pcsc/reader-info.ts";
