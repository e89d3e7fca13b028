import { createHmac } from "node:crypto";
import { concat } from "../../../bytes/bytes.ts";
import type { Device } from "../device.ts";

/** The key that all credentials of an authenticator come from, where a lock may have hidden it. */

/** `null` while it is locked. */
export function deviceKey({ profile, session, state }: Device): Uint8Array | null {
  const opened = session.lock.key;
  if (opened === null) return state.masterKey.length === 0 ? null : state.masterKey;
  if (profile.lock?.lockChangesKey !== true) return opened;
  return new Uint8Array(createHmac("sha256", opened).update("under the lock").digest());
}

/** The stored key as the firmware keeps it: what enable encrypts. */
export function keyFile({ profile, state, world }: Device): Uint8Array {
  if (profile.lock?.enableDestroys !== true) return state.masterKey;
  if (state.pin === null) return concat(Uint8Array.of(0x01), state.masterKey);
  // Encrypted under the PIN; here in the form alone, nonce and tag are anything.
  return concat(Uint8Array.of(0x02), world.random(12), state.masterKey, world.random(16));
}

/** Nothing takes the place of the device key yet: the lock is not on. */
export function keyIsPlain({ state }: Device): boolean {
  return state.masterKey.length > 0;
}
