import { concat } from "../../bytes/bytes.ts";
import { encodeBase64 } from "../age/base64.ts";
import type { Stanza } from "../age/stanza.ts";
import { seal, sealedExtra, unseal } from "./box.ts";
import { hkdf32, prefixed, u16 } from "./kdf.ts";
import type { Leaf, LeafKey, Slot } from "./leaf.ts";
import { publicKeyBytes } from "./leaf-fields.ts";
import { encBytes, encUsable, type LegPlace, legSecret, newLegSecret } from "./leg.ts";
import { domains, stanzaTypes, vaultFormatVersion } from "./names.ts";
import { StanzaFields } from "./stanza-fields.ts";
import { slotKeyWrong } from "./vault-errors.ts";

/**
 * `-> hsmadm/and 1 SLOT LEG LEGS KIND ENC`, one for each leg: the file key under the secrets of all legs together, in the
 * body of the first. Safe as long as one leg is unbroken.
 */
const fileKeyBytes = 16;

export function wrapAllOf(
  fileKey: Uint8Array,
  slotId: number,
  legs: readonly Leaf[],
  random: (length: number) => Uint8Array,
): Stanza[] {
  const made = legs.map((leaf, i) => newLegSecret(placeOf(slotId, i, legs.length), leaf, random));
  const encs = made.map(({ enc }) => enc);
  const key = joinedKey(
    slotId,
    legs,
    encs,
    made.map(({ secret }) => secret),
  );
  try {
    const body = seal(key, fileKey);
    return legs.map((leaf, i) => ({
      type: stanzaTypes.and,
      args: [vaultFormatVersion, ...[slotId, i + 1, legs.length].map(String), leaf.kind, encodeBase64(encOf(encs, i))],
      body: i === 0 ? body : new Uint8Array(0),
    }));
  } finally {
    key.fill(0);
  }
}

/** @returns `enc` of each leg. @throws HsmError `VAULT_HEADER_INVALID` (check-failed) */
export function parseAllOf(stanzas: readonly Stanza[], slotId: number, legs: readonly Leaf[]): Uint8Array[] {
  return legs.map((leaf, i) => {
    const fields = new StanzaFields(
      stanzas[i] ?? { type: "nothing", args: [], body: new Uint8Array(0) },
      stanzaTypes.and,
    );
    fields.expect("slot", slotId);
    fields.expect("leg", i + 1);
    fields.expect("number of legs", legs.length);
    fields.expect("kind", leaf.kind);
    const enc = fields.bytes("share", encBytes(leaf));
    fields.end(i === 0 ? fileKeyBytes + sealedExtra : 0);
    if (!encUsable(leaf, enc)) throw fields.invalid("whose share is not on the curve of its leg");
    return enc;
  });
}

/**
 * @param keys of all legs, in their order
 * @throws HsmError `VAULT_SLOT_KEY_WRONG`; what the owners throw
 */
export async function openAllOf(
  slot: Slot,
  legs: readonly Leaf[],
  stanzas: readonly Stanza[],
  keys: readonly LeafKey[],
): Promise<Uint8Array> {
  const encs = parseAllOf(stanzas, slot.id, legs);
  const secrets: Uint8Array[] = [];
  try {
    for (const [i, leaf] of legs.entries()) {
      const key = keys[i];
      const secret = key && (await legSecret(placeOf(slot.id, i, legs.length), leaf, encOf(encs, i), key));
      if (!secret) throw slotKeyWrong(slot, leaf);
      secrets.push(secret);
    }
    const joined = joinedKey(slot.id, legs, encs, secrets);
    const fileKey = unseal(joined, stanzas[0]?.body ?? new Uint8Array(0), fileKeyBytes);
    joined.fill(0);
    if (fileKey === null) throw slotKeyWrong(slot);
    return fileKey;
  } finally {
    for (const secret of secrets) secret.fill(0);
  }
}

function joinedKey(
  slotId: number,
  legs: readonly Leaf[],
  encs: readonly Uint8Array[],
  secrets: readonly Uint8Array[],
): Uint8Array {
  const all = concat(...secrets);
  const parts = legs.map((leaf, i) =>
    concat(prefixed(leaf.kind), prefixed(encOf(encs, i)), prefixed(publicKeyBytes(leaf))),
  );
  try {
    return hkdf32(all, domains.and, concat(u16(slotId), u16(legs.length), ...parts));
  } finally {
    for (const secret of [all, ...secrets]) secret.fill(0);
  }
}

function placeOf(slot: number, i: number, legs: number): LegPlace {
  return { scheme: "and", slot, leg: i + 1, legs, needed: legs };
}

function encOf(encs: readonly Uint8Array[], i: number): Uint8Array {
  return encs[i] ?? new Uint8Array(0);
}
