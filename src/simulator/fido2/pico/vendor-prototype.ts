import type { RequestMap } from "../cbor.ts";
import { ctapStatus, refuseCtap } from "../ctap-status.ts";
import type { Device } from "../device.ts";
import { disableLock, enableLock } from "./lock.ts";

/** authenticatorConfig vendorPrototype, when its token was found good. @throws CtapRefusal 3E for an unknown id */
export async function vendorPrototype(device: Device, parameters: RequestMap): Promise<undefined> {
  const { lock } = device.profile;
  const id = parameters.wide(1);
  if (id === lock?.enableId) return enableLock(device, parameters);
  if (id === lock?.disableId) return disableLock(device);
  if (lock?.ids.includes(id) !== true) refuseCtap(ctapStatus.invalidSubcommand);
}

/**
 * Whether authenticatorConfig has this number for vendorPrototype.
 * @returns a promise that power alone ends, for the number of other versions: the authenticator reads it over and over
 */
export async function isVendorPrototype(device: Device, number: number, request: RequestMap): Promise<boolean> {
  const { lock } = device.profile;
  if (lock === null || (number !== 0x7f && number !== 0xff)) return false;
  if (number !== lock.prototype && request.has(2)) await device.hang();
  return number === lock.prototype;
}
