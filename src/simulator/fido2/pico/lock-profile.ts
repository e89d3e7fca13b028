/** In what versions of Pico FIDO's secure lock differ (reference/pico-fido-vendor.md, tables 2 to 4). */
export interface LockProfile {
  /** authenticatorConfig subcommand of vendorPrototype. The other of 7F and FF hangs the authenticator. */
  readonly prototype: 0x7f | 0xff;
  readonly enableId: bigint;
  readonly disableId: bigint;
  /** getInfo 15: these and further ones, which are known and change nothing here. */
  readonly ids: readonly bigint[];
  /** A key that was opened under the lock counts as another one than the same key without a lock. */
  readonly lockChangesKey: boolean;
  /**
   * The stored key has more than 32 bytes, and enable keeps no more than 60 of what it encrypts: the tag is cut off and
   * the key gone.
   */
  readonly enableDestroys: boolean;
  /** An agreement serves once, and a second one while the first is open is refused and drops it. */
  readonly agreementServesOnce: boolean;
  /** EA 02 is there. */
  readonly takesCertificate: boolean;
  readonly memoryCommand: boolean;
  readonly vaultCommand: boolean;
  readonly touchToLoad: boolean;
  /** Answered to vendor commands that are not there. */
  readonly unknownCommand: number;
  /** INS 41 carries vendor commands in APDUs, a refusal is SW 64xx. */
  readonly vendorApdus: boolean;
  /** Whether a status comes as a CTAPHID ERROR packet in place of an answer. */
  readonly asErrorPacket: (status: number, vendor: boolean) => boolean;
}

const oldIds = [0x03e43f56b34285e2n, 0x1831a40f04a25ed9n] as const;
/** EA_UPLOAD, PIN_POLICY. */
const addedIds = [0x66f2a674c29a8dcfn, 0x6c07d70fe96c3897n] as const;
const newIds = [
  0x0001a40f04a25ed9n,
  0x0002a674c29a8dcfn,
  0x000377913e17951fn,
  0x00043f56b34285e2n,
  0x00052b41f53590d3n,
  0x0007d70fe96c3897n,
  0x0005961ecba040f9n,
  0x0004e532e1feb2fdn,
] as const;

/** 01, from a map that is not there, is not among them: v6.6 sends it as an answer. */
function low(status: number): boolean {
  return status !== 0x01 && status < 0x0b;
}

const v512: LockProfile = {
  prototype: 0x7f,
  enableId: oldIds[0],
  disableId: oldIds[1],
  ids: oldIds,
  lockChangesKey: false,
  enableDestroys: false,
  agreementServesOnce: false,
  takesCertificate: true,
  memoryCommand: false,
  vaultCommand: false,
  touchToLoad: false,
  unknownCommand: 0x2b,
  vendorApdus: false,
  asErrorPacket: () => true,
};

const v66: LockProfile = { ...v512, lockChangesKey: true, memoryCommand: true, asErrorPacket: low };

const v76: LockProfile = {
  ...v66,
  prototype: 0xff,
  ids: [...oldIds, ...addedIds],
  lockChangesKey: false,
  enableDestroys: true,
  takesCertificate: false,
  memoryCommand: false,
  vendorApdus: true,
};

const v80: LockProfile = {
  ...v76,
  enableId: 0x00043f56b34285e2n,
  disableId: 0x0001a40f04a25ed9n,
  ids: newIds,
  agreementServesOnce: true,
  vaultCommand: true,
  touchToLoad: true,
  unknownCommand: 0x02,
  asErrorPacket: (status, vendor) => vendor && low(status),
};

export const lockProfiles = { v512, v66, v76, v80 } as const;
