import { concat } from "../../bytes/bytes.ts";
import { x25519Agree, x25519PublicKey } from "../age/x25519.ts";
import { checkedX, ephemeralAgreement, isPointOf, vaultCurve } from "./curve-agreement.ts";
import { hkdf32, prefixed, u16 } from "./kdf.ts";
import type { Leaf, LeafKey } from "./leaf.ts";
import { asPrimitive, ownsPublicKey, publicKeyBytes } from "./leaf-fields.ts";
import { domains } from "./names.ts";
import { openWithRsa, sealForRsa } from "./rsa-leg.ts";
import { slotInvalid } from "./vault-errors.ts";

/**
 * One leg of an all-of or threshold slot as a key encapsulation: fresh public bytes (`enc`) for a leaf's public key, and a
 * secret that only the leaf's owner finds again. The secret is bound to the place of the leg, to its key and to `enc`.
 */
export interface LegPlace {
  readonly scheme: "and" | "sss";
  readonly slot: number;
  /** From 1. */
  readonly leg: number;
  readonly legs: number;
  /** Legs needed; for `and` all. */
  readonly needed: number;
}

export interface LegSecret {
  readonly enc: Uint8Array;
  /** 32 bytes. */
  readonly secret: Uint8Array;
}

export function newLegSecret(place: LegPlace, leaf: Leaf, random: (length: number) => Uint8Array): LegSecret {
  const { enc, raw } = encapsulate(leaf, random);
  return { enc, secret: boundSecret(place, leaf, enc, raw) };
}

/**
 * @returns the secret, or `null` when the key is not the leaf's, as far as that shows here
 * @throws what the key's owner throws; HsmError `AGREEMENT_INVALID` (check-failed)
 */
export async function legSecret(
  place: LegPlace,
  leaf: Leaf,
  enc: Uint8Array,
  key: LeafKey,
): Promise<Uint8Array | null> {
  const raw = await decapsulate(leaf, enc, key);
  return raw === null ? null : boundSecret(place, leaf, enc, raw);
}

/** Bytes of `enc` for this leaf. */
export function encBytes(leaf: Leaf): number {
  if (leaf.kind === "card-ec") return leaf.point.length;
  return leaf.kind === "card-rsa" ? leaf.modulus.length : 32;
}

/** Whether `enc` can be shown to the leaf's owner: its length, and for EC that it is on the curve. */
export function encUsable(leaf: Leaf, enc: Uint8Array): boolean {
  if (leaf.kind !== "card-ec") return enc.length === encBytes(leaf);
  const curve = vaultCurve(leaf.curve);
  return curve !== undefined && isPointOf(curve, enc);
}

function encapsulate(leaf: Leaf, random: (length: number) => Uint8Array): { enc: Uint8Array; raw: Uint8Array } {
  if (leaf.kind === "card-ec") {
    const curve = vaultCurve(leaf.curve);
    if (curve === undefined) throw slotInvalid(`a key on ${leaf.curve}`);
    const { enc, x } = ephemeralAgreement(curve, leaf.point, random);
    return { enc, raw: x };
  }
  const secret = random(32);
  if (leaf.kind === "card-rsa") return { enc: sealForRsa(leaf, secret, random), raw: secret };
  const shared = x25519Agree(secret, leaf.publicKey);
  const enc = x25519PublicKey(secret);
  secret.fill(0);
  if (shared === null) throw slotInvalid("an X25519 key of low order");
  return { enc, raw: shared };
}

async function decapsulate(leaf: Leaf, enc: Uint8Array, key: LeafKey): Promise<Uint8Array | null> {
  if (leaf.kind === "card-ec") {
    const curve = vaultCurve(leaf.curve);
    if (curve === undefined) throw slotInvalid(`a key on ${leaf.curve}`);
    return checkedX(curve, await asPrimitive(leaf, key, "ecdh").agree(enc));
  }
  if (leaf.kind === "card-rsa") {
    const rsa = asPrimitive(leaf, key, "rsa");
    return openWithRsa(enc, (ciphertext) => rsa.decryptRaw(ciphertext));
  }
  const { secret } = asPrimitive(leaf, key, "x25519");
  return ownsPublicKey(leaf.publicKey, secret) ? x25519Agree(secret, enc) : null;
}

function boundSecret(place: LegPlace, leaf: Leaf, enc: Uint8Array, raw: Uint8Array): Uint8Array {
  const info = concat(
    prefixed(place.scheme),
    u16(place.slot),
    u16(place.leg),
    u16(place.legs),
    u16(place.needed),
    prefixed(leaf.kind),
    prefixed(leaf.kind === "card-ec" ? leaf.curve : ""),
    prefixed(enc),
    prefixed(publicKeyBytes(leaf)),
  );
  try {
    return hkdf32(raw, domains.leg, info);
  } finally {
    raw.fill(0);
  }
}
