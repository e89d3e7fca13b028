import { type CborValue, encodeCbor, RequestMap } from "../cbor.ts";
import { ctapStatus, refuseCtap } from "../ctap-status.ts";
import type { CtapCommand, Device } from "../device.ts";
import { newKeyPair } from "../p256.ts";
import { coseKey, pointOf } from "../pin-protocol.ts";
import { certificateRequest } from "./certificate-request.ts";
import { agreeWithHost } from "./host-key.ts";
import { unlock } from "./lock.ts";
import type { LockProfile } from "./lock-profile.ts";

/** The maker's own commands (reference section 4). None of them asks for a PIN or looks at a pinUvAuthParam. */

const key = { subCommand: 1, parameters: 2 } as const;

/** @param message command byte and CBOR map. @throws CtapRefusal for any status but 00 */
export async function runVendorCommand(device: Device, message: Uint8Array): Promise<Uint8Array | undefined> {
  const { lock } = device.profile;
  if (lock === null) return refuseCtap(ctapStatus.invalidCommand);
  const [number] = message;
  if (number === undefined) return refuseCtap(ctapStatus.invalidLength);
  if (number === 0) return refuseCtap(ctapStatus.invalidCbor);
  const command = commandsOf(lock).get(number);
  if (command === undefined) return refuseCtap(lock.unknownCommand);
  if (message.length === 1) return refuseCtap(ctapStatus.invalidCommand);
  return command(device, RequestMap.parse(message.subarray(1)));
}

function commandsOf(lock: LockProfile): ReadonlyMap<number, CtapCommand> {
  const commands = new Map<number, CtapCommand>([
    [0x01, backup],
    [0x02, agreement],
    [0x03, async (device, request) => unlock(device, parametersOf(request))],
    [0x04, attestation],
  ]);
  if (lock.vaultCommand) commands.set(0x05, vault);
  if (lock.memoryCommand) commands.set(0x06, memory);
  return commands;
}

async function backup(device: Device, request: RequestMap): Promise<Uint8Array | undefined> {
  const { state, session, profile } = device;
  switch (subCommandOf(request)) {
    case 1:
      if (session.lock.key === null) refuseCtap(ctapStatus.pinAuthInvalid);
      // Nothing is sealed after a disable or a reset: an empty backup, and it looks like success.
      return answer([1, state.sealedKey ?? new Uint8Array(0)]);
    case 2: {
      const blob = parametersOf(request).bytes(1);
      if (profile.lock?.touchToLoad === true) await device.touch({ why: "load" });
      // Unchecked: the old key is gone whatever this is.
      state.sealedKey = blob.slice();
      state.masterKey = new Uint8Array(0);
      device.changed();
      return undefined;
    }
    default:
      return refuseCtap(ctapStatus.invalidSubcommand);
  }
}

/** MSE: a key agreement with the host, for its next key. */
async function agreement({ session, profile, world }: Device, request: RequestMap): Promise<Uint8Array> {
  if (subCommandOf(request) !== 1) refuseCtap(ctapStatus.invalidSubcommand);
  const hostPoint = pointOf(parametersOf(request).map(2));
  if (profile.lock?.agreementServesOnce === true && session.lock.agreement !== null) {
    session.lock.agreement = null;
    refuseCtap(ctapStatus.notAllowed);
  }
  const own = newKeyPair(world.random);
  session.lock.agreement = agreeWithHost(own, hostPoint);
  return answer([1, coseKey(own.point, -25)]);
}

/** EA: a certificate request for the stored device key, and where the certificate would go. Nothing here uses one. */
async function attestation(device: Device, request: RequestMap): Promise<Uint8Array | undefined> {
  const subCommand = subCommandOf(request);
  if (subCommand === 1) return answer([1, certificateRequest(device)]);
  if (subCommand !== 2 || device.profile.lock?.takesCertificate !== true) refuseCtap(ctapStatus.invalidSubcommand);
  parametersOf(request).bytes(1);
  return undefined;
}

/** VAULT wants to be enrolled with a certificate of the maker's own CA, which nobody can do here. */
async function vault(_: Device, request: RequestMap): Promise<never> {
  const known = subCommandOf(request) >= 1 && subCommandOf(request) <= 6;
  return refuseCtap(known ? ctapStatus.notAllowed : ctapStatus.invalidSubcommand);
}

/** MEMORY: free, used, total, files, size of the flash, as recorded. */
async function memory(_: Device, request: RequestMap): Promise<Uint8Array> {
  if (subCommandOf(request) !== 1) refuseCtap(ctapStatus.unsupportedOption);
  return answer([1, 8_371_279], [2, 917], [3, 8_372_196], [4, 8], [5, 8_388_608]);
}

function subCommandOf(request: RequestMap): number {
  return request.has(key.subCommand) ? request.uint(key.subCommand) : 0;
}

function parametersOf(request: RequestMap): RequestMap {
  return request.has(key.parameters) ? request.map(key.parameters) : new RequestMap(new Map());
}

function answer(...members: readonly (readonly [number, CborValue])[]): Uint8Array {
  return encodeCbor(new Map(members));
}
