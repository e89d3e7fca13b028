import { concat } from "../../bytes/bytes.ts";
import { encodeBase64 } from "../age/base64.ts";
import type { Stanza } from "../age/stanza.ts";
import { x25519Agree, x25519PublicKey } from "../age/x25519.ts";
import { seal, sealedExtra, unseal } from "./box.ts";
import { hkdf32, u16 } from "./kdf.ts";
import { domains, stanzaTypes, vaultFormatVersion } from "./names.ts";
import { StanzaFields } from "./stanza-fields.ts";
import { slotInvalid } from "./vault-errors.ts";

/**
 * `-> hsmadm/x25519 1 SLOT SHARE`: the file key for a derived X25519 key (fido2, card-aes, passphrase). Like age's `X25519`,
 * with the slot in the derivation; another type, because no file or card holds such a key and stock age has to pass it by.
 */
const fileKeyBytes = 16;

export function wrapDerived(
  fileKey: Uint8Array,
  slotId: number,
  publicKey: Uint8Array,
  random: (length: number) => Uint8Array,
): Stanza {
  const secret = random(32);
  const share = x25519PublicKey(secret);
  const shared = x25519Agree(secret, publicKey);
  secret.fill(0);
  if (shared === null) throw slotInvalid("an X25519 key of low order");
  const key = wrappingKey(shared, share, publicKey, slotId);
  try {
    return {
      type: stanzaTypes.x25519,
      args: [vaultFormatVersion, String(slotId), encodeBase64(share)],
      body: seal(key, fileKey),
    };
  } finally {
    shared.fill(0);
    key.fill(0);
  }
}

/** @returns the share. @throws HsmError `VAULT_HEADER_INVALID` (check-failed) */
export function parseDerived(stanza: Stanza, slotId: number): Uint8Array {
  const fields = new StanzaFields(stanza, stanzaTypes.x25519);
  fields.expect("slot", slotId);
  const share = fields.bytes("share", 32);
  fields.end(fileKeyBytes + sealedExtra);
  return share;
}

/** @returns the file key, or `null` when it was not wrapped for this key */
export function unwrapDerived(stanza: Stanza, slotId: number, secret: Uint8Array): Uint8Array | null {
  const share = parseDerived(stanza, slotId);
  const shared = x25519Agree(secret, share);
  if (shared === null) return null;
  const key = wrappingKey(shared, share, x25519PublicKey(secret), slotId);
  try {
    return unseal(key, stanza.body, fileKeyBytes);
  } finally {
    shared.fill(0);
    key.fill(0);
  }
}

function wrappingKey(shared: Uint8Array, share: Uint8Array, publicKey: Uint8Array, slotId: number): Uint8Array {
  return hkdf32(shared, concat(share, publicKey, u16(slotId)), domains.x25519);
}
