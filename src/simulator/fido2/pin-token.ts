import type { RequestMap } from "./cbor.ts";
import { ctapStatus, refuseCtap } from "./ctap-status.ts";
import type { Device } from "./device.ts";
import { authenticates, type PinProtocol, pinProtocol } from "./pin-protocol.ts";

/** Permissions of a pinUvAuthToken that this authenticator has a use for (reference section 6). */
export const permission = { makeCredential: 0x01, getAssertion: 0x02, config: 0x20 } as const;

/** What a PIN gives: good for one use that asks presence, and not for long. */
export interface PinToken {
  readonly bytes: Uint8Array;
  readonly protocol: 1 | 2;
  permissions: number;
  /** Bound at first use when it was asked for without one. */
  rpId: string | null;
  readonly issued: number;
  used: boolean;
}

const longestMs = 10 * 60 * 1000;
/** It has to be used for the first time within this. */
const longestUnusedMs = 30 * 1000;

/** Ends the token that is in use, if any, and begins with another one. */
export function issueToken(device: Device, protocol: PinProtocol, permissions: number, rpId: string | null): PinToken {
  const { session, world } = device;
  const issued = world.now().getTime();
  session.token = { bytes: world.random(32), protocol: protocol.number, permissions, rpId, issued, used: false };
  return session.token;
}

/**
 * Checks a pinUvAuthParam.
 * @param message what it has to authenticate
 * @throws CtapRefusal 33 when it does not, or the token is over or not for this
 */
export function useToken(
  device: Device,
  given: { readonly protocol: PinProtocol; readonly param: Uint8Array },
  message: Uint8Array,
  use: { readonly permission: number; readonly rpId?: string },
): PinToken {
  const token = liveToken(device);
  if (token === null || token.protocol !== given.protocol.number) return refuseCtap(ctapStatus.pinAuthInvalid);
  if (!authenticates(given.protocol, token.bytes, message, given.param)) refuseCtap(ctapStatus.pinAuthInvalid);
  if ((token.permissions & use.permission) === 0) refuseCtap(ctapStatus.pinAuthInvalid);
  if (use.rpId !== undefined) {
    if (token.rpId !== null && token.rpId !== use.rpId) refuseCtap(ctapStatus.pinAuthInvalid);
    token.rpId = use.rpId;
  }
  token.used = true;
  return token;
}

/** After a use that asked presence nothing is left to do with a token. */
export function spendToken(device: Device): void {
  if (device.session.token !== null) device.session.token.permissions = 0;
}

/**
 * pinUvAuthParam and pinUvAuthProtocol of a request.
 * @returns `null` where there is none
 * @throws CtapRefusal 14 for a param without its protocol, 02 for a protocol that is not known
 */
export function readAuthParam(
  request: RequestMap,
  keys: { readonly param: number; readonly protocol: number },
): { readonly protocol: PinProtocol; readonly param: Uint8Array } | null {
  if (!request.has(keys.param)) return null;
  return { param: request.bytes(keys.param), protocol: pinProtocol(request.uint(keys.protocol)) };
}

function liveToken({ session, world }: Device): PinToken | null {
  const { token } = session;
  if (token === null) return null;
  const age = world.now().getTime() - token.issued;
  if (age > longestMs || (!token.used && age > longestUnusedMs)) session.token = null;
  return session.token;
}
