/**
 * The vault as a library: opens, reads and edits a vault with keys of any kind behind one interface, {@link KeySource}.
 * Importing this loads no native binding and touches no device.
 */
export { Fido2Authenticator } from "./cards/fido2/authenticator.ts";
export { ctapOverCard } from "./cards/fido2/ctap-over-apdu.ts";
export type { CardHints, Leaf, LeafKey, Slot, SlotHolder } from "./crypto/vault/leaf.ts";
export type { VaultHeader } from "./crypto/vault/vault-header.ts";
export { type ErrorKind, exitCodes, HsmError, type HsmErrorOptions } from "./errors.ts";
export type { Anchor, Anchored } from "./services/vault/anchor.ts";
export type { SecretType } from "./services/vault/document/vault-document.ts";
export { type EndangeredToken, type GuardedVault, guardedVaults } from "./services/vault/guard.ts";
export { type HostState, hostState } from "./services/vault/host-state.ts";
export type { KeySource, KeySourceKind, LeafMatch, LeafRef } from "./services/vault/key-source.ts";
export { leafFingerprint, leafTitle } from "./services/vault/leaf-key.ts";
export { type LockedVault, lockedVault } from "./services/vault/locked-vault.ts";
export type { OpenVault, RekeyOutcome, SaveOptions, SaveOutcome } from "./services/vault/open-vault.ts";
export { type CardEnrolmentOptions, enrolCardKey } from "./services/vault/openers/card-enrolment.ts";
export { type CardSourceOptions, cardSource } from "./services/vault/openers/card-source.ts";
export type { Enrolment } from "./services/vault/openers/enrolment.ts";
export { enrolCredential, type FidoEnrolmentOptions } from "./services/vault/openers/fido-enrolment.ts";
export { type FidoSourceOptions, fidoSource } from "./services/vault/openers/fido-source.ts";
export { enrolPassphrase, passphraseSource } from "./services/vault/openers/passphrase-source.ts";
export { enrolRecovery, recoverySource } from "./services/vault/openers/recovery-source.ts";
export { type PolicyWarning, type VaultPolicy, vaultPolicy } from "./services/vault/policy.ts";
export type { KeyOf } from "./services/vault/unlock/unlock.ts";
export { createVault, type OpenOptions, openVault } from "./services/vault/vault.ts";
export type { NewSecret, SecretFacts } from "./services/vault/vault-edits.ts";
export type { PinOptions, PinOutcome, VaultTrust } from "./services/vault/vault-pins.ts";
export type { NewSlot } from "./services/vault/vault-slots.ts";
