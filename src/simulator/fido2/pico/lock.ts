import type { RequestMap } from "../cbor.ts";
import { ctapStatus, refuseCtap } from "../ctap-status.ts";
import type { Device } from "../device.ts";
import { keyFile, keyIsPlain } from "./device-key.ts";
import { openHostKey, openKeyFile, sealKeyFile } from "./host-key.ts";

/** The lock's three changes of state (reference sections 3, 4 and 6), with all that can be lost on the way. */

/** AUT_ENABLE: the device key is encrypted under the host's, and locked at once. @throws CtapRefusal 30, 02, 14 */
export async function enableLock(device: Device, parameters: RequestMap): Promise<undefined> {
  const { state, session, world } = device;
  if (!keyIsPlain(device) || session.lock.agreement === null) refuseCtap(ctapStatus.notAllowed);
  const hostKey = hostKeyIn(device, parameters.bytes(2));
  state.sealedKey = sealKeyFile(hostKey, keyFile(device), world);
  state.masterKey = new Uint8Array(0);
  device.changed();
}

/** AUT_DISABLE: whatever is in memory becomes the device key again. @throws CtapRefusal 30 no lock, 33 locked */
export async function disableLock(device: Device): Promise<undefined> {
  const { state, session } = device;
  if (keyIsPlain(device)) refuseCtap(ctapStatus.notAllowed);
  if (session.lock.key === null) return refuseCtap(ctapStatus.pinAuthInvalid);
  state.masterKey = session.lock.key;
  state.sealedKey = null;
  // It goes on as if it were unlocked until the power goes.
  session.lock.key = new Uint8Array(32);
  device.changed();
}

/** UNLOCK. @throws CtapRefusal 30 no agreement, 02 garbage or another host's key, 3D no lock */
export async function unlock(device: Device, parameters: RequestMap): Promise<undefined> {
  const { state, session } = device;
  if (session.lock.agreement === null) refuseCtap(ctapStatus.notAllowed);
  const hostKey = hostKeyIn(device, parameters.has(1) ? parameters.bytes(1) : new Uint8Array(0));
  if (state.sealedKey === null || state.sealedKey.length === 0) return refuseCtap(ctapStatus.integrityFailure);
  const opened = openKeyFile(hostKey, state.sealedKey);
  if (opened === null) {
    if (session.lock.key !== null) session.lock.key = new Uint8Array(32);
    device.changed();
    return refuseCtap(ctapStatus.invalidParameter);
  }
  session.lock.key = opened;
  device.changed();
}

function hostKeyIn({ profile, session }: Device, encrypted: Uint8Array): Uint8Array {
  const { agreement } = session.lock;
  if (agreement === null) return refuseCtap(ctapStatus.notAllowed);
  const once = profile.lock?.agreementServesOnce === true;
  if (once && encrypted.length !== 48) refuseCtap(ctapStatus.invalidParameter);
  if (once) session.lock.agreement = null;
  return openHostKey(agreement, encrypted) ?? refuseCtap(ctapStatus.invalidParameter);
}
