import { ctapStatus, refuseCtap } from "../ctap-status.ts";
import type { Device } from "../device.ts";

/** authenticatorReset (07): soon after power-up and with a touch, all keys are made anew. */
export async function reset(device: Device): Promise<undefined> {
  const { resetWindowMs } = device.profile;
  const age = device.world.now().getTime() - device.session.poweredOn;
  if (resetWindowMs !== null && age > resetWindowMs) refuseCtap(ctapStatus.notAllowed);
  await device.touch({ why: "reset" });
  device.becomeNew();
}

/** authenticatorSelection (0B): a touch tells which of several authenticators is meant. */
export async function selection(device: Device): Promise<undefined> {
  await device.touch({ why: "select" });
}
