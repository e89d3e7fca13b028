import { createHash, timingSafeEqual } from "node:crypto";
import { concat, utf8Text } from "../../../bytes/bytes.ts";
import { pinTries } from "../authenticator-state.ts";
import { type CborValue, encodeCbor, type RequestMap } from "../cbor.ts";
import { ctapStatus, refuseCtap } from "../ctap-status.ts";
import type { CtapCommand, Device } from "../device.ts";
import { newKeyPair } from "../p256.ts";
import { authenticates, coseKey, type PinProtocol, pinProtocol, pointOf } from "../pin-protocol.ts";
import { issueToken, permission } from "../pin-token.ts";
import { minPinLength } from "./get-info.ts";

const key = {
  protocol: 1,
  subCommand: 2,
  keyAgreement: 3,
  authParam: 4,
  newPin: 5,
  pinHash: 6,
  permissions: 9,
  rpId: 0x0a,
} as const;

/** Wrong PINs in a row until only a power cycle helps. */
const wrongPinsInARow = 3;

const subCommands: ReadonlyMap<number, CtapCommand> = new Map<number, CtapCommand>([
  [0x01, getPinRetries],
  [0x02, getKeyAgreement],
  [0x03, setPin],
  [0x04, changePin],
  [0x05, getPinToken],
  [0x09, getPinTokenWithPermissions],
]);

/** authenticatorClientPIN (06), reference section 6. */
export async function clientPin(device: Device, request: RequestMap): Promise<Uint8Array | undefined> {
  const run = subCommands.get(request.uint(key.subCommand));
  return run === undefined ? refuseCtap(ctapStatus.invalidSubcommand) : run(device, request);
}

async function getPinRetries({ state, session }: Device): Promise<Uint8Array> {
  return answer([3, state.pin?.triesLeft ?? pinTries], [4, session.wrongPins >= wrongPinsInARow]);
}

async function getKeyAgreement({ session }: Device, request: RequestMap): Promise<Uint8Array> {
  pinProtocol(request.uint(key.protocol));
  return answer([1, coseKey(session.keyAgreement.point, -25)]);
}

async function setPin(device: Device, request: RequestMap): Promise<undefined> {
  const { protocol, secret } = agreed(device, request);
  const encrypted = request.bytes(key.newPin);
  const param = request.bytes(key.authParam);
  if (device.state.pin !== null) refuseCtap(device.profile.status.pinAlreadySet);
  if (!authenticates(protocol, secret, encrypted, param)) refuseCtap(ctapStatus.pinAuthInvalid);
  await storePin(device, newPinIn(protocol, secret, encrypted));
}

async function changePin(device: Device, request: RequestMap): Promise<undefined> {
  const { protocol, secret } = agreed(device, request);
  const encrypted = request.bytes(key.newPin);
  const pinHash = request.bytes(key.pinHash);
  const param = request.bytes(key.authParam);
  refuseSpentPin(device);
  if (!authenticates(protocol, secret, concat(encrypted, pinHash), param)) refuseCtap(ctapStatus.pinAuthInvalid);
  await checkPin(device, protocol.decrypt(secret, pinHash));
  await storePin(device, newPinIn(protocol, secret, encrypted));
}

/** Subcommand 05 of CTAP 2.0: a token for everything that CTAP 2.0 had. */
async function getPinToken(device: Device, request: RequestMap): Promise<Uint8Array> {
  if (request.has(key.permissions) || request.has(key.rpId)) refuseCtap(ctapStatus.invalidParameter);
  return tokenFor(device, request, permission.makeCredential | permission.getAssertion, null);
}

async function getPinTokenWithPermissions(device: Device, request: RequestMap): Promise<Uint8Array> {
  const asked = request.uint(key.permissions);
  const rpId = request.optionalText(key.rpId) ?? null;
  if (asked === 0) refuseCtap(ctapStatus.invalidParameter);
  if ((asked & ~(permission.makeCredential | permission.getAssertion | permission.config)) !== 0)
    refuseCtap(ctapStatus.unauthorizedPermission);
  const forRp = (asked & (permission.makeCredential | permission.getAssertion)) !== 0;
  if (forRp && rpId === null && device.profile.tokenWantsRpId) refuseCtap(ctapStatus.missingParameter);
  return tokenFor(device, request, asked, rpId);
}

async function tokenFor(
  device: Device,
  request: RequestMap,
  permissions: number,
  rpId: string | null,
): Promise<Uint8Array> {
  const { protocol, secret } = agreed(device, request);
  const pinHash = request.bytes(key.pinHash);
  refuseSpentPin(device);
  await checkPin(device, protocol.decrypt(secret, pinHash));
  const token = issueToken(device, protocol, permissions, rpId);
  return answer([2, protocol.encrypt(secret, token.bytes, device.world.random)]);
}

function agreed(device: Device, request: RequestMap): { readonly protocol: PinProtocol; readonly secret: Uint8Array } {
  const protocol = pinProtocol(request.uint(key.protocol));
  const peer = pointOf(request.map(key.keyAgreement));
  return { protocol, secret: protocol.sharedSecret(device.session.keyAgreement, peer) };
}

/** @throws CtapRefusal 35, 32 or 34, at no cost */
function refuseSpentPin({ state, session }: Device): void {
  if (state.pin === null) refuseCtap(ctapStatus.pinNotSet);
  if (state.pin.triesLeft === 0) refuseCtap(ctapStatus.pinBlocked);
  if (session.wrongPins >= wrongPinsInARow) refuseCtap(ctapStatus.pinAuthBlocked);
}

/**
 * The counter goes down and is saved *before* the comparison, so that cutting the power never gives a try for nothing.
 * A wrong PIN also ends the key agreement: who keeps the shared secret is wrong with the right PIN too.
 * @throws CtapRefusal 31, 34 or 32
 */
async function checkPin(device: Device, hash: Uint8Array | null): Promise<void> {
  const { state, session, profile } = device;
  if (state.pin === null) return refuseCtap(ctapStatus.pinNotSet);
  state.pin.triesLeft -= 1;
  device.changed();
  await device.save();
  if (hash !== null && hash.length === state.pin.hash.length && timingSafeEqual(hash, state.pin.hash)) {
    state.pin.triesLeft = pinTries;
    session.wrongPins = 0;
    device.changed();
    return;
  }
  session.keyAgreement = newKeyPair(device.world.random);
  session.wrongPins += 1;
  if (state.pin.triesLeft === 0) {
    if (profile.blockedPinForgets) {
      state.masterKey = device.world.random(32);
      state.residents = [];
      device.changed();
    }
    refuseCtap(ctapStatus.pinBlocked);
  }
  refuseCtap(session.wrongPins >= wrongPinsInARow ? ctapStatus.pinAuthBlocked : ctapStatus.pinInvalid);
}

/** The PIN in newPinEnc, without its padding. @throws CtapRefusal 02, 37 */
function newPinIn(protocol: PinProtocol, secret: Uint8Array, encrypted: Uint8Array): Uint8Array {
  const padded = protocol.decrypt(secret, encrypted);
  if (padded === null || padded.length !== 64) return refuseCtap(ctapStatus.invalidParameter);
  const pin = padded.subarray(0, padded.findLastIndex((byte) => byte !== 0) + 1);
  const text = utf8Text(pin);
  if (pin.length > 63 || text === null || [...text].length < minPinLength) refuseCtap(ctapStatus.pinPolicyViolation);
  return pin;
}

async function storePin(device: Device, pin: Uint8Array): Promise<void> {
  const hash = new Uint8Array(createHash("sha256").update(pin).digest()).slice(0, 16);
  device.state.pin = { hash, triesLeft: pinTries };
  device.session.wrongPins = 0;
  device.session.token = null;
  if (device.profile.pinSetsAlwaysUv) device.state.alwaysUv = true;
  device.changed();
}

function answer(...members: readonly (readonly [number, CborValue])[]): Uint8Array {
  return encodeCbor(new Map(members));
}
