import { createCipheriv, createDecipheriv, hkdfSync } from "node:crypto";
import { concat } from "../../../bytes/bytes.ts";
import type { SimulatorWorld } from "../../world.ts";
import { agree, type KeyAgreement } from "../pin-protocol.ts";
import type { HostAgreement } from "./lock-session.ts";

/** What the lock does with the host's key (reference section 5): ChaCha20-Poly1305 under what HKDF-SHA-256 makes. */

const tagLength = 16;
const nonceLength = 12;
/** `nonce ‖ ciphertext of 32 bytes ‖ tag`: no more is kept. */
const sealedLength = nonceLength + 32 + tagLength;

export function agreeWithHost(own: KeyAgreement, hostPoint: Uint8Array): HostAgreement {
  const derived = new Uint8Array(hkdfSync("sha256", agree(own, hostPoint), new Uint8Array(0), hostPoint, 44));
  return { nonce: derived.slice(0, nonceLength), key: derived.slice(nonceLength), hostPoint };
}

/** The host's key in what it sent; `null` when it was not encrypted under this agreement, or has not 32 bytes. */
export function openHostKey({ key, nonce, hostPoint }: HostAgreement, encrypted: Uint8Array): Uint8Array | null {
  const plain = open(key, nonce, encrypted, hostPoint);
  return plain?.length === 32 ? plain : null;
}

export function sealKeyFile(hostKey: Uint8Array, keyFile: Uint8Array, world: SimulatorWorld): Uint8Array {
  const nonce = world.random(nonceLength);
  const cipher = createCipheriv("chacha20-poly1305", hostKey, nonce, { authTagLength: tagLength });
  const sealed = concat(nonce, cipher.update(keyFile), cipher.final(), cipher.getAuthTag());
  return sealed.slice(0, sealedLength);
}

/** The device key; `null` under another host key, and for what is no sealed key. */
export function openKeyFile(hostKey: Uint8Array, sealed: Uint8Array): Uint8Array | null {
  if (sealed.length < nonceLength + tagLength) return null;
  const [nonce, rest] = [sealed.subarray(0, nonceLength), sealed.subarray(nonceLength)];
  // The tag is looked for at the end, and 32 bytes in front of it: anything longer cannot be right.
  return sealed.length === sealedLength ? open(hostKey, nonce, rest, new Uint8Array(0)) : null;
}

function open(key: Uint8Array, nonce: Uint8Array, sealed: Uint8Array, aad: Uint8Array): Uint8Array | null {
  if (sealed.length < tagLength) return null;
  const decipher = createDecipheriv("chacha20-poly1305", key, nonce, { authTagLength: tagLength });
  const ciphertext = sealed.subarray(0, -tagLength);
  decipher.setAAD(aad, { plaintextLength: ciphertext.length });
  decipher.setAuthTag(sealed.subarray(-tagLength));
  try {
    return concat(decipher.update(ciphertext), decipher.final());
  } catch {
    return null;
  }
}
