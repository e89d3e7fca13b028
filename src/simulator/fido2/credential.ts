import { createHash, createHmac, timingSafeEqual } from "node:crypto";
import { bigEndian, concat, utf8Bytes } from "../../bytes/bytes.ts";
import type { Device } from "./device.ts";
import { newKeyPair } from "./p256.ts";
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
const headLength = 2;
const hmacSecretTrait = 0x10;

export function newCredential(
  device: Device,
  rpId: string,
  traits: { readonly protection: Protection; readonly hmacSecret: boolean },
): Credential {
  const length = device.profile.credentialIdLength - headLength - tagLength;
  // The counter keeps two credentials apart also where a repeatable world begins with the same bytes again.
  const seed = concat(bigEndian(device.state.signatures, 4), device.world.random(length - 4));
  const head = Uint8Array.of(version, traits.protection | (traits.hmacSecret ? hmacSecretTrait : 0));
  const body = concat(head, seed);
  return { id: concat(body, tagOf(device, body, rpId)), rpId, ...traits, keys: keysOf(device, seed) };
}

/** The credential with this id; `null` when it is none of this authenticator and RP. */
export function openCredential(device: Device, rpId: string, id: Uint8Array): Credential | null {
  if (id.length !== device.profile.credentialIdLength) return null;
  const body = id.subarray(0, id.length - tagLength);
  if (!timingSafeEqual(id.subarray(body.length), tagOf(device, body, rpId))) return null;
  const traits = body[1] ?? 0;
  const protection = traits & 0x03;
  if (protection !== 1 && protection !== 2 && protection !== 3) return null;
  const keys = keysOf(device, body.subarray(headLength));
  return { id, rpId, protection, hmacSecret: (traits & hmacSecretTrait) !== 0, keys };
}

/** CredRandomWithUV or CredRandomWithoutUV, 32 bytes. */
export function credRandom(device: Device, { id }: Credential, userVerified: boolean): Uint8Array {
  const seed = id.subarray(headLength, id.length - tagLength);
  return derive(device, userVerified ? "CredRandomWithUV" : "CredRandomWithoutUV", seed);
}

export function rpIdHash(rpId: string): Uint8Array {
  return new Uint8Array(createHash("sha256").update(rpId, "utf8").digest());
}

function tagOf(device: Device, body: Uint8Array, rpId: string): Uint8Array {
  return derive(device, "credential id", concat(rpIdHash(rpId), body)).slice(0, tagLength);
}

function keysOf(device: Device, seed: Uint8Array): KeyAgreement {
  let counter = 0;
  return newKeyPair((length) => {
    const blocks: Uint8Array[] = [];
    for (let made = 0; made < length; made += 32) {
      blocks.push(derive(device, "signing key", concat(bigEndian(counter++, 4), seed)));
    }
    return concat(...blocks).slice(0, length);
  });
}

function derive(device: Device, purpose: string, input: Uint8Array): Uint8Array {
  const mac = createHmac("sha256", device.state.masterKey);
  return new Uint8Array(mac.update(concat(utf8Bytes(purpose), Uint8Array.of(0), input)).digest());
}
