import { HsmError } from "../../errors.ts";
import { unwrapP256Tag } from "../age/p256tag.ts";
import { unwrapSshRsa } from "../age/ssh-rsa.ts";
import type { Stanza } from "../age/stanza.ts";
import { unwrapX25519 } from "../age/x25519.ts";
import { openAllOf } from "./all-of-slot.ts";
import { unwrapDerived } from "./derived-stanza.ts";
import { unwrapEcdh } from "./ecdh-stanza.ts";
import { type Leaf, type LeafKey, leavesOf, type Slot } from "./leaf.ts";
import { asPrimitive, ownsPublicKey } from "./leaf-fields.ts";
import { openThreshold } from "./threshold-slot.ts";
import { slotKeyWrong } from "./vault-errors.ts";

/**
 * The file key out of one slot. What it opens is not yet trusted: the caller checks the header's MAC with it.
 * @param stanzas those of the slot, from `readVaultStanzas`
 * @param keyOf the key of a leaf, or `undefined` when it is not there; legs count from 0
 * @returns 16 bytes, secret
 * @throws HsmError `VAULT_SHARES_MISSING` (device) when too few keys are there, before any of them is used;
 *   `VAULT_SLOT_KEY_WRONG` (check-failed; authentication for a passphrase); whatever a key's owner throws
 */
export async function openSlot(
  slot: Slot,
  stanzas: readonly Stanza[],
  keyOf: (leaf: Leaf, legIndex: number) => LeafKey | undefined,
): Promise<Uint8Array> {
  const { holder } = slot;
  const leaves = leavesOf(holder);
  const keys = leaves.map(keyOf);
  const there = keys.filter((key) => key !== undefined);
  const needed = holder.kind === "threshold" ? holder.k : leaves.length;
  if (there.length < needed) throw sharesMissing(slot, keys, needed);
  if (holder.kind === "all-of") return openAllOf(slot, holder.legs, stanzas, there);
  if (holder.kind === "threshold") return openThreshold(slot, holder, stanzas, keys);
  const [key, stanza] = [keys[0], stanzas[0]];
  if (key === undefined || stanza === undefined) throw sharesMissing(slot, keys, needed);
  return openOne(slot, holder.leaf, stanza, key);
}

async function openOne(slot: Slot, leaf: Leaf, stanza: Stanza, key: LeafKey): Promise<Uint8Array> {
  try {
    const fileKey = await unwrapped(slot.id, leaf, stanza, key);
    if (fileKey !== null) return fileKey;
  } catch (error) {
    if (!(error instanceof HsmError) || !keyIsWrong.has(error.code)) throw error;
    throw slotKeyWrong(slot, leaf, error);
  }
  throw slotKeyWrong(slot, leaf);
}

/** How the stock stanzas say that a key is not theirs. */
const keyIsWrong: ReadonlySet<string> = new Set(["AGE_STANZA_WRONG_KEY", "DECRYPTION_FAILED"]);

async function unwrapped(slotId: number, leaf: Leaf, stanza: Stanza, key: LeafKey): Promise<Uint8Array | null> {
  switch (leaf.kind) {
    case "card-ec": {
      const ecdh = asPrimitive(leaf, key, "ecdh");
      const agree = (enc: Uint8Array): Promise<Uint8Array> => ecdh.agree(enc);
      return leaf.curve === "secp256r1" ? unwrapP256Tag(stanza, leaf.point, agree) : unwrapEcdh(stanza, leaf, agree);
    }
    case "card-rsa": {
      const rsa = asPrimitive(leaf, key, "rsa");
      return unwrapSshRsa(stanza, leaf, (ciphertext) => rsa.decryptRaw(ciphertext));
    }
    case "recovery": {
      const { secret } = asPrimitive(leaf, key, "x25519");
      return ownsPublicKey(leaf.publicKey, secret) ? unwrapX25519(stanza, secret) : null;
    }
    default: {
      const { secret } = asPrimitive(leaf, key, "x25519");
      return ownsPublicKey(leaf.publicKey, secret) ? unwrapDerived(stanza, slotId, secret) : null;
    }
  }
}

function sharesMissing(slot: Slot, keys: readonly (LeafKey | undefined)[], needed: number): HsmError {
  const missing = keys.flatMap((key, leg) => (key === undefined ? [leg] : []));
  const have = keys.length - missing.length;
  return new HsmError(
    "VAULT_SHARES_MISSING",
    "device",
    `slot ${slot.id} needs ${needed} of its ${keys.length} keys, ${have} ${have === 1 ? "is" : "are"} there`,
    {
      advice: "add the devices that are missing, or open another slot",
      details: { slot: slot.id, have, needed, missing },
    },
  );
}
