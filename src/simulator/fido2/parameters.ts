import { RequestMap } from "./cbor.ts";
import { ctapStatus, refuseCtap } from "./ctap-status.ts";
import type { Device } from "./device.ts";

/** Members that several commands read alike. */

/** clientDataHash. @throws CtapRefusal 02 when it has not 32 bytes */
export function clientDataHash(request: RequestMap, key: number): Uint8Array {
  const hash = request.bytes(key);
  return hash.length === 32 ? hash : refuseCtap(ctapStatus.invalidParameter);
}

/** The ids in an allowList or excludeList; `null` when it is not there. @throws CtapRefusal 15 when it is too long */
export function credentialIds(device: Device, request: RequestMap, key: number): Uint8Array[] | null {
  if (!request.has(key)) return null;
  const list = request.list(key).map((entry) => RequestMap.of(entry));
  if (list.length > device.profile.maxCredentialsInList) refuseCtap(ctapStatus.limitExceeded);
  // What is no public key is no credential of anybody: it is passed over.
  return list.filter((entry) => entry.text("type") === "public-key").map((entry) => entry.bytes("id"));
}

export interface RequestOptions {
  readonly rk: boolean | undefined;
  readonly up: boolean | undefined;
  readonly uv: boolean | undefined;
}

export function requestOptions(request: RequestMap, key: number): RequestOptions {
  const options = request.has(key) ? request.map(key) : new RequestMap(new Map());
  return { rk: options.flag("rk"), up: options.flag("up"), uv: options.flag("uv") };
}

/**
 * A pinUvAuthParam of no length asks for a touch and nothing else, from before there was a command for it.
 * @throws CtapRefusal always: 35 or 31 after the touch, which tells whether there is a PIN
 */
export async function onlyTouch(device: Device): Promise<never> {
  await device.touch({ why: "select" });
  return refuseCtap(device.state.pin === null ? ctapStatus.pinNotSet : ctapStatus.pinInvalid);
}
