/**
 * The vault as a library: opens, reads and edits a vault with keys of any kind behind one interface, {@link KeySource}.
 * Importing this loads no native binding and touches no device.
 */
export type { CtapChannel, CtapSendOptions } from "./apdu/ctap-channel.ts";
export { Fido2Authenticator, type Fido2Options, type HmacSecretRequest } from "./cards/fido2/authenticator.ts";
export type { AuthenticatorInfo } from "./cards/fido2/authenticator-info.ts";
export type { CborKey, CborMap, CborValue } from "./cards/fido2/cbor.ts";
export type { PinRetries } from "./cards/fido2/client-pin.ts";
export type { ConfigRequest } from "./cards/fido2/config-commands.ts";
export type { CredentialUser } from "./cards/fido2/credential-commands.ts";
export { type CtapOverCardOptions, ctapOverCard } from "./cards/fido2/ctap-over-apdu.ts";
export type { Waiting } from "./cards/fido2/fido2-session.ts";
export type { CredProtect, HmacCredential, HmacCredentialRequest } from "./cards/fido2/hmac-credential.ts";
export type { FidoPin, FidoPinPolicy } from "./cards/fido2/pin-gate.ts";
export type { Holding } from "./cards/fido2/preflight.ts";
export type { PlatformRandomness } from "./cards/fido2/shared-secret.ts";
export type { ByteSource } from "./crypto/age/chunker.ts";
export type {
  CardAesLeaf,
  CardEcLeaf,
  CardHints,
  CardRsaLeaf,
  FidoLeaf,
  Leaf,
  LeafKey,
  PassphraseLeaf,
  RecoveryLeaf,
  ScryptParameters,
  Slot,
  SlotHolder,
} from "./crypto/vault/leaf.ts";
export type { VaultHeader } from "./crypto/vault/vault-header.ts";
export { type ErrorKind, exitCodes, HsmError, type HsmErrorOptions } from "./errors.ts";
export type { Anchor, Anchored } from "./services/vault/anchor.ts";
export type { SecretType } from "./services/vault/document/vault-document.ts";
export { type EndangeredToken, type GuardedVault, guardedVaults } from "./services/vault/guard.ts";
export {
  type HostState,
  hostState,
  type Recalled,
  type RememberedLeg,
  type RememberedSlot,
  type RememberedVault,
} from "./services/vault/host-state.ts";
export type { KeySource, KeySourceKind, LeafMatch, LeafRef } from "./services/vault/key-source.ts";
export { leafFingerprint, leafTitle } from "./services/vault/leaf-key.ts";
export { type LockedVault, lockedVault } from "./services/vault/locked-vault.ts";
export type { OpenVault, RekeyOutcome, SaveOptions, SaveOutcome } from "./services/vault/open-vault.ts";
export { type AnchorCard, type CardAnchorOptions, cardAnchor } from "./services/vault/openers/card-anchor.ts";
export { type CardEnrolmentOptions, enrolCardKey } from "./services/vault/openers/card-enrolment.ts";
export type { VaultCard } from "./services/vault/openers/card-keys.ts";
export { type CardSourceOptions, cardSource } from "./services/vault/openers/card-source.ts";
export type { Enrolment } from "./services/vault/openers/enrolment.ts";
export { enrolCredential, type FidoEnrolmentOptions } from "./services/vault/openers/fido-enrolment.ts";
export { type FidoSourceOptions, fidoSource, type VaultAuthenticator } from "./services/vault/openers/fido-source.ts";
export { enrolPassphrase, passphraseSource } from "./services/vault/openers/passphrase-source.ts";
export { closeEnrolments, type EnrolledSlot, provenSlot } from "./services/vault/openers/proven-slot.ts";
export { enrolRecovery, recoverySource } from "./services/vault/openers/recovery-source.ts";
export { type PolicyWarning, type VaultPolicy, vaultPolicy } from "./services/vault/policy.ts";
export { sealPinned } from "./services/vault/seal-pinned.ts";
export type { KeyOf } from "./services/vault/unlock/unlock.ts";
export { createVault, type OpenOptions, openVault, type VaultWorld } from "./services/vault/vault.ts";
export type { NewSecret, SecretFacts } from "./services/vault/vault-edits.ts";
export type { PinOptions, PinOutcome, VaultTrust } from "./services/vault/vault-pins.ts";
export type { NewSlot } from "./services/vault/vault-slots.ts";
export type { Random } from "./services/vault/vault-writing.ts";
export type { CtapHidChannel, HidChannelOptions } from "./transport/hid/ctaphid-channel.ts";
export type { HidDevice, HidTiming } from "./transport/hid/ctaphid-link.ts";
export { type HidAuthenticatorInfo, listHidAuthenticators, openHid } from "./transport/hid/hid-devices.ts";
export type { PacketPort } from "./transport/hid/packet-port.ts";
