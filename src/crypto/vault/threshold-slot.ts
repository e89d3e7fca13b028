import { concat } from "../../bytes/bytes.ts";
import { HsmError } from "../../errors.ts";
import { encodeBase64 } from "../age/base64.ts";
import type { Stanza } from "../age/stanza.ts";
import { seal, sealedExtra, unseal } from "./box.ts";
import { hkdf32, u16 } from "./kdf.ts";
import type { Leaf, LeafKey, Slot } from "./leaf.ts";
import { encBytes, encUsable, type LegPlace, legSecret, newLegSecret } from "./leg.ts";
import { domains, stanzaTypes, vaultFormatVersion } from "./names.ts";
import { joinShares, splitSecret } from "./shamir.ts";
import { StanzaFields } from "./stanza-fields.ts";
import { slotKeyWrong } from "./vault-errors.ts";

/**
 * `-> hsmadm/sss 1 SLOT LEG NEEDED LEGS KIND ENC`, one for each leg, its share of a fresh secret in the body; then
 * `-> hsmadm/sss-key 1 SLOT`, the file key under that secret.
 */
const fileKeyBytes = 16;
const secretBytes = 32;
const shareBytes = secretBytes + 1;

export interface Threshold {
  readonly k: number;
  readonly legs: readonly Leaf[];
}

export function wrapThreshold(
  fileKey: Uint8Array,
  slotId: number,
  { k, legs }: Threshold,
  random: (length: number) => Uint8Array,
): Stanza[] {
  const secret = random(secretBytes);
  const shares = splitSecret(secret, k, legs.length, random);
  const stanzas = legs.map((leaf, i) => {
    const leg = newLegSecret(placeOf(slotId, i, { k, legs }), leaf, random);
    const share = shares[i] ?? new Uint8Array(0);
    const body = seal(leg.secret, share);
    leg.secret.fill(0);
    share.fill(0);
    const numbers = [slotId, i + 1, k, legs.length].map(String);
    return {
      type: stanzaTypes.share,
      args: [vaultFormatVersion, ...numbers, leaf.kind, encodeBase64(leg.enc)],
      body,
    };
  });
  const key = sharedKey(secret, slotId, k, legs.length);
  const last = { type: stanzaTypes.shareKey, args: [vaultFormatVersion, String(slotId)], body: seal(key, fileKey) };
  key.fill(0);
  return [...stanzas, last];
}

/** @returns `enc` of each leg. @throws HsmError `VAULT_HEADER_INVALID` (check-failed) */
export function parseThreshold(stanzas: readonly Stanza[], slotId: number, { k, legs }: Threshold): Uint8Array[] {
  const encs = legs.map((leaf, i) => {
    const fields = fieldsOf(stanzas[i], stanzaTypes.share);
    fields.expect("slot", slotId);
    fields.expect("leg", i + 1);
    fields.expect("number of legs needed", k);
    fields.expect("number of legs", legs.length);
    fields.expect("kind", leaf.kind);
    const enc = fields.bytes("share", encBytes(leaf));
    fields.end(shareBytes + sealedExtra);
    if (!encUsable(leaf, enc)) throw fields.invalid("whose share is not on the curve of its leg");
    return enc;
  });
  const last = fieldsOf(stanzas[legs.length], stanzaTypes.shareKey);
  last.expect("slot", slotId);
  last.end(fileKeyBytes + sealedExtra);
  return encs;
}

/**
 * Asks the owners in the order of the legs, no more than are needed; one whose leg does not open is passed over while
 * enough others are there.
 * @param keys of the legs that are there, `undefined` for the others; at least `k`
 * @throws HsmError `VAULT_SLOT_KEY_WRONG`; what the owners throw
 */
export async function openThreshold(
  slot: Slot,
  { k, legs }: Threshold,
  stanzas: readonly Stanza[],
  keys: readonly (LeafKey | undefined)[],
): Promise<Uint8Array> {
  const encs = parseThreshold(stanzas, slot.id, { k, legs });
  const shares: Uint8Array[] = [];
  let failure: unknown;
  try {
    for (const [i, leaf] of legs.entries()) {
      const [key, enc, body] = [keys[i], encs[i], stanzas[i]?.body];
      if (shares.length === k || key === undefined || enc === undefined || body === undefined) continue;
      try {
        const secret = await legSecret(placeOf(slot.id, i, { k, legs }), leaf, enc, key);
        const share = secret && unseal(secret, body, shareBytes);
        secret?.fill(0);
        if (share?.[secretBytes] !== i + 1) throw slotKeyWrong(slot, leaf);
        shares.push(share);
      } catch (error) {
        // Who called it off means the whole of it.
        if (error instanceof HsmError && (error.kind === "cancelled" || error.kind === "interrupted")) throw error;
        failure ??= error;
      }
    }
    if (shares.length < k) throw failure;
    const secret = joinShares(shares);
    const key = sharedKey(secret, slot.id, k, legs.length);
    const fileKey = unseal(key, stanzas[legs.length]?.body ?? new Uint8Array(0), fileKeyBytes);
    key.fill(0);
    if (fileKey === null) throw slotKeyWrong(slot);
    return fileKey;
  } finally {
    for (const share of shares) share.fill(0);
  }
}

function sharedKey(secret: Uint8Array, slotId: number, k: number, n: number): Uint8Array {
  try {
    return hkdf32(secret, domains.shareKey, concat(u16(slotId), u16(k), u16(n)));
  } finally {
    secret.fill(0);
  }
}

function placeOf(slot: number, i: number, { k, legs }: Threshold): LegPlace {
  return { scheme: "sss", slot, leg: i + 1, legs: legs.length, needed: k };
}

function fieldsOf(stanza: Stanza | undefined, type: string): StanzaFields {
  return new StanzaFields(stanza ?? { type: "nothing", args: [], body: new Uint8Array(0) }, type);
}
