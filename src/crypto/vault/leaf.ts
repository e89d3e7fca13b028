/**
 * Who opens a slot: the leaves, each one key somewhere, and how a slot joins them. Public data only: a descriptor in the
 * vault's header holds it (docs/vault-format.md), in the clear, and the header's MAC covers it.
 */

/** Where a card key was when it was enrolled. Hints for messages and for asking the right card first; never proof. */
export interface CardHints {
  readonly serial?: string | undefined;
  readonly keyLabel?: string | undefined;
  readonly keyRef?: number | undefined;
  /** PKCS#15 identifier (CKA_ID), 1 to 64 bytes. */
  readonly ckaId?: Uint8Array | undefined;
  /** First 16 bytes of SHA-256 of the device's public key: the same token again, whatever its label says. */
  readonly deviceKeyHash?: Uint8Array | undefined;
}

/** An EC key on a card: P-256 becomes age's `p256tag`, every other curve `hsmadm/ecdh`. */
export interface CardEcLeaf {
  readonly kind: "card-ec";
  /** Name as in `crypto/curves`: one that `isVaultCurve` knows. */
  readonly curve: string;
  /** Uncompressed: `04 ‖ X ‖ Y`. */
  readonly point: Uint8Array;
  readonly card: CardHints;
}

/** An RSA key on a card, 2048 bits or more: age's `ssh-rsa`. */
export interface CardRsaLeaf {
  readonly kind: "card-rsa";
  /** Big endian without leading zeros, as {@link exponent}. */
  readonly modulus: Uint8Array;
  readonly exponent: Uint8Array;
  readonly card: CardHints;
}

/** An AES key on a card: it gives, by CMAC, an X25519 key (`aesCmacSecret`, `derivedX25519`). */
export interface CardAesLeaf {
  readonly kind: "card-aes";
  /** X25519, 32 bytes. */
  readonly publicKey: Uint8Array;
  /** 16 bytes. */
  readonly salt: Uint8Array;
  readonly card: CardHints;
}

/** A FIDO2 credential with hmac-secret: its output gives an X25519 key. */
export interface FidoLeaf {
  readonly kind: "fido2";
  /** X25519, 32 bytes. */
  readonly publicKey: Uint8Array;
  readonly credential: {
    readonly id: Uint8Array;
    readonly rpId: string;
    /** 32 bytes. */
    readonly salt: Uint8Array;
    /** 16 bytes. */
    readonly aaguid: Uint8Array;
    /** Whether the output with user verification is meant: the two differ. */
    readonly uv: boolean;
    /** credProtect level, 1 to 3. */
    readonly credProtect: number;
    /** COSE algorithm of the credential, for example -7. */
    readonly alg: number;
  };
}

/** A passphrase: scrypt gives an X25519 key. */
export interface PassphraseLeaf {
  readonly kind: "passphrase";
  /** X25519, 32 bytes. */
  readonly publicKey: Uint8Array;
  readonly scrypt: ScryptParameters;
}

export interface ScryptParameters {
  /** Binary logarithm of N. */
  readonly logN: number;
  readonly r: number;
  readonly p: number;
  /** 16 bytes. */
  readonly salt: Uint8Array;
}

/** A native age identity on paper. */
export interface RecoveryLeaf {
  readonly kind: "recovery";
  /** X25519, 32 bytes. */
  readonly publicKey: Uint8Array;
}

export type Leaf = CardEcLeaf | CardRsaLeaf | CardAesLeaf | FidoLeaf | PassphraseLeaf | RecoveryLeaf;
export type LeafKind = Leaf["kind"];

export type SlotHolder =
  | { readonly kind: "one"; readonly leaf: Leaf }
  | { readonly kind: "all-of"; readonly legs: readonly Leaf[] }
  | { readonly kind: "threshold"; readonly k: number; readonly legs: readonly Leaf[] };

/** One way to open the vault; any one slot is enough. */
export interface Slot {
  /** 1 to 65535, never used again in this vault. */
  readonly id: number;
  readonly label: string;
  /** ISO 8601 date and time in UTC, ending in `Z`. */
  readonly created: string;
  readonly holder: SlotHolder;
}

/**
 * What a leaf's owner lends to open a slot. What the functions return is erased after use; the X25519 secret stays the
 * lender's, who erases it.
 */
export type LeafKey =
  /** @returns X of the product with this uncompressed point, as long as a coordinate */
  | { readonly primitive: "ecdh"; agree(enc: Uint8Array): Promise<Uint8Array> }
  /** @returns the raw block, padding included, as long as the modulus */
  | { readonly primitive: "rsa"; decryptRaw(ciphertext: Uint8Array): Promise<Uint8Array> }
  | { readonly primitive: "x25519"; readonly secret: Uint8Array };

/** The leaves of a slot in their order: a single one, or the legs. */
export function leavesOf(holder: SlotHolder): readonly Leaf[] {
  return holder.kind === "one" ? [holder.leaf] : holder.legs;
}
