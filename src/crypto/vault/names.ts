/**
 * Every name that a vault file keeps for ever: stanza types, key derivation strings, limits of the format. One file, so
 * that nobody changes one by accident; docs/vault-format.md prints them and a test compares.
 */

/** The version of every stanza of our own: their first argument. */
export const vaultFormatVersion = "1";

/** Types of our own stanzas; the others (`p256tag`, `ssh-rsa`, `X25519`) are age's. */
export const stanzaTypes = {
  slot: "hsmadm/slot",
  ecdh: "hsmadm/ecdh",
  x25519: "hsmadm/x25519",
  and: "hsmadm/and",
  share: "hsmadm/sss",
  shareKey: "hsmadm/sss-key",
} as const;

/** Domain strings: salts of HKDF unless said otherwise. */
export const domains = {
  /** The wrap of `hsmadm/ecdh`. */
  ecdh: "hsmadm/ecdh/v1",
  /** The tag in a `hsmadm/ecdh` stanza. */
  ecdhTag: "hsmadm/ecdh/v1/tag",
  /** HKDF info of the wrap of `hsmadm/x25519`. */
  x25519: "hsmadm/x25519/v1",
  /** From what a device or a passphrase gives to an X25519 key. */
  derived: "hsmadm/derived/v1",
  /** Label in the AES-CMAC input of an on-card AES key. */
  aes: "hsmadm/aes/v1",
  /** The secret of one leg of `and` and `sss`. */
  leg: "hsmadm/leg/v1",
  /** Label of RSAES-OAEP of an RSA leg. */
  rsaLeg: "hsmadm/rsa/v1",
  and: "hsmadm/and/v1",
  shareKey: "hsmadm/sss-key/v1",
  /** Everything that comes from a vault's seed. */
  seed: "hsmadm-vault/v1",
} as const;

/** Purposes of keys from the seed that are the vault's own. */
export const ownPurposes = { id: "id", file: "file", state: "state" } as const;

export const vaultIdPrefix = "v1-";

/** The relying party of the FIDO2 credentials that open vaults. */
export const fidoRelyingParty = "hsmadm";

/** Limits of the format, checked when a header is made and when it is read. */
export const limits = {
  slots: 64,
  legsMin: 2,
  legsMax: 16,
  slotId: 0xffff,
  /** Code points of a label, a serial or another text of a descriptor. */
  textLength: 64,
  headerBytes: 256 * 1024,
  rsaBitsMin: 2048,
  rsaBitsMax: 4096,
  credentialIdBytes: 1023,
} as const;
