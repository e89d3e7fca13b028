/** What the lock forgets when the power goes. */
export interface LockSession {
  /** The last key agreement with a host. */
  agreement: HostAgreement | null;
  /**
   * The device key in memory since an UNLOCK; not `null` means "unlocked". After a disable, and after an UNLOCK with a
   * wrong key, it is 32 zero bytes and still taken for the device key.
   */
  key: Uint8Array | null;
}

/** Of MSE: what the host encrypts its key with. */
export interface HostAgreement {
  readonly key: Uint8Array;
  readonly nonce: Uint8Array;
  /** The host's point, `04 ‖ x ‖ y`: authenticated with what it encrypts. */
  readonly hostPoint: Uint8Array;
}

export function newLockSession(): LockSession {
  return { agreement: null, key: null };
}
