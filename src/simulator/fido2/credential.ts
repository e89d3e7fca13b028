import { createHash, createHmac, timingSafeEqual } from "node:crypto";
import { bigEndian, concat, utf8Bytes } from "../../bytes/bytes.ts";
import { ctapStatus, refuseCtap } from "./ctap-status.ts";
import type { Device } from "./device.ts";
import { newKeyPair } from "./p256.ts";
import { deviceKey } from "./pico/device-key.ts";
import type { KeyAgreement } from "./pin-protocol.ts";

/** userVerificationOptional, …OptionalWithCredentialIDList, …Required (reference section 10). */
export type Protection = 1 | 2 | 3;

export interface Credential {
  readonly id: Uint8Array;
  readonly rpId: string;
  readonly protection: Protection;
  readonly hmacSecret: boolean;
  readonly keys: KeyAgreement;
}

/**
 * A credential id is `version ‖ traits ‖ seed ‖ tag`: all keys of the credential come from the master key and the seed,
 * so that nothing is stored, and the tag binds the id to this authenticator and this RP.
 */
const version = 1;
const tagLength = 16;
/** In place of a device key, for the tag that needs none. */
const noKey = new Uint8Array(32);
const headLength = 2;
const hmacSecretTrait = 0x10;

/** @throws CtapRefusal 7F while the device key is locked */
export function newCredential(
  device: Device,
  rpId: string,
  traits: { readonly protection: Protection; readonly hmacSecret: boolean },
): Credential {
  const key = deviceKey(device) ?? refuseCtap(ctapStatus.other);
  const length = bodyLength(device) - headLength;
  // The counter keeps two credentials apart also where a repeatable world begins with the same bytes again.
  const seed = concat(bigEndian(device.state.signatures, 4), device.world.random(length - 4));
  const head = Uint8Array.of(version, traits.protection | (traits.hmacSecret ? hmacSecretTrait : 0));
  const body = concat(head, seed);
  const tags = [tagOf(key, body, rpId), ...(device.profile.silentTag ? [tagOf(noKey, body, rpId)] : [])];
  return { id: concat(body, ...tags), rpId, ...traits, keys: keysOf(key, seed) };
}

/** The credential with this id; `null` when it is none of this authenticator and RP. */
export function openCredential(device: Device, rpId: string, id: Uint8Array): Credential | null {
  const key = deviceKey(device);
  if (id.length !== device.profile.credentialIdLength || key === null) return null;
  const body = id.subarray(0, bodyLength(device));
  const tag = id.subarray(body.length, body.length + tagLength);
  if (!timingSafeEqual(tag, tagOf(key, body, rpId))) return null;
  const traits = body[1] ?? 0;
  const protection = traits & 0x03;
  if (protection !== 1 && protection !== 2 && protection !== 3) return null;
  const keys = keysOf(key, body.subarray(headLength));
  return { id, rpId, protection, hmacSecret: (traits & hmacSecretTrait) !== 0, keys };
}

/**
 * Whether the id has the tag that needs no device key. As in the recordings, all authenticators of such a version have one
 * serial number, and with it one key for that tag.
 */
export function hasSilentTag(device: Device, rpId: string, id: Uint8Array): boolean {
  if (!device.profile.silentTag || id.length !== device.profile.credentialIdLength) return false;
  const body = id.subarray(0, bodyLength(device));
  return timingSafeEqual(id.subarray(-tagLength), tagOf(noKey, body, rpId));
}

/** CredRandomWithUV or CredRandomWithoutUV, 32 bytes. */
export function credRandom(device: Device, { id }: Credential, userVerified: boolean): Uint8Array {
  const key = deviceKey(device) ?? refuseCtap(ctapStatus.other);
  const seed = id.subarray(headLength, bodyLength(device));
  return derive(key, userVerified ? "CredRandomWithUV" : "CredRandomWithoutUV", seed);
}

export function rpIdHash(rpId: string): Uint8Array {
  return new Uint8Array(createHash("sha256").update(rpId, "utf8").digest());
}

function bodyLength({ profile }: Device): number {
  return profile.credentialIdLength - (profile.silentTag ? 2 : 1) * tagLength;
}

function tagOf(key: Uint8Array, body: Uint8Array, rpId: string): Uint8Array {
  return derive(key, "credential id", concat(rpIdHash(rpId), body)).slice(0, tagLength);
}

function keysOf(key: Uint8Array, seed: Uint8Array): KeyAgreement {
  let counter = 0;
  return newKeyPair((length) => {
    const blocks: Uint8Array[] = [];
    for (let made = 0; made < length; made += 32) {
      blocks.push(derive(key, "signing key", concat(bigEndian(counter++, 4), seed)));
    }
    return concat(...blocks).slice(0, length);
  });
}

function derive(key: Uint8Array, purpose: string, input: Uint8Array): Uint8Array {
  const mac = createHmac("sha256", key);
  return new Uint8Array(mac.update(concat(utf8Bytes(purpose), Uint8Array.of(0), input)).digest());
}
