import { decodeBase64 } from "../age/base64.ts";
import { p256TagMatches, wrapP256Tag } from "../age/p256tag.ts";
import { sshRsaMatches, wrapSshRsa } from "../age/ssh-rsa.ts";
import type { Stanza } from "../age/stanza.ts";
import { wrapX25519 } from "../age/x25519.ts";
import { curveByName } from "../curves/curves.ts";
import { privateScalar } from "../curves/ec-keys.ts";
import { parseAllOf, wrapAllOf } from "./all-of-slot.ts";
import { sealedExtra } from "./box.ts";
import { parseDerived, wrapDerived } from "./derived-stanza.ts";
import { ecdhMatches, wrapEcdh } from "./ecdh-stanza.ts";
import type { CardEcLeaf, Leaf, Slot, SlotHolder } from "./leaf.ts";
import { parseThreshold, wrapThreshold } from "./threshold-slot.ts";
import { headerInvalid } from "./vault-errors.ts";

/** The stanzas that carry the file key to one slot: which ones, made and checked against the slot's descriptor. */

const wrappedFileKeyBytes = 16 + sealedExtra;

/** How many stanzas follow the descriptor. */
export function stanzaCount(holder: SlotHolder): number {
  if (holder.kind === "one") return 1;
  return holder.kind === "all-of" ? holder.legs.length : holder.legs.length + 1;
}

export function wrapToSlot(fileKey: Uint8Array, slot: Slot, random: (length: number) => Uint8Array): Stanza[] {
  const { id, holder } = slot;
  if (holder.kind === "all-of") return wrapAllOf(fileKey, id, holder.legs, random);
  if (holder.kind === "threshold") return wrapThreshold(fileKey, id, holder, random);
  return [wrapToLeaf(fileKey, id, holder.leaf, random)];
}

function wrapToLeaf(fileKey: Uint8Array, id: number, leaf: Leaf, random: (length: number) => Uint8Array): Stanza {
  switch (leaf.kind) {
    case "card-ec":
      return leaf.curve === "secp256r1" ? wrapToP256(fileKey, leaf, random) : wrapEcdh(fileKey, leaf, random);
    case "card-rsa":
      return wrapSshRsa(fileKey, leaf);
    case "recovery":
      return wrapX25519(fileKey, leaf.publicKey, random(32));
    default:
      return wrapDerived(fileKey, id, leaf.publicKey, random);
  }
}

function wrapToP256(fileKey: Uint8Array, leaf: CardEcLeaf, random: (length: number) => Uint8Array): Stanza {
  const curve = curveByName(leaf.curve);
  return wrapP256Tag(fileKey, leaf.point, curve && privateScalar(curve, random));
}

/**
 * Checks that these are the stanzas of this slot, as far as that shows without a key. Stock stanzas name no slot: their
 * place behind the descriptor, their type and, where they have one, their tag for the descriptor's key are what can be
 * compared; the rest is the header's MAC.
 * @param stanzas as many as {@link stanzaCount} says
 * @throws HsmError `VAULT_HEADER_INVALID`, `AGE_FILE_INVALID` (check-failed)
 */
export function checkSlotStanzas(slot: Slot, stanzas: readonly Stanza[]): void {
  const { id, holder } = slot;
  if (holder.kind === "all-of") {
    parseAllOf(stanzas, id, holder.legs);
  } else if (holder.kind === "threshold") {
    parseThreshold(stanzas, id, holder);
  } else {
    const [stanza] = stanzas;
    if (stanza === undefined || !isForLeaf(stanza, id, holder.leaf)) {
      throw headerInvalid(`the stanza behind the descriptor of slot ${id} is not for its key`);
    }
  }
}

function isForLeaf(stanza: Stanza, id: number, leaf: Leaf): boolean {
  switch (leaf.kind) {
    case "card-ec":
      return leaf.curve === "secp256r1" ? p256TagMatches(stanza, leaf.point) : ecdhMatches(stanza, leaf);
    case "card-rsa":
      return sshRsaMatches(stanza, leaf) && stanza.body.length === leaf.modulus.length;
    case "recovery":
      return isNativeX25519(stanza);
    default:
      parseDerived(stanza, id);
      return true;
  }
}

function isNativeX25519({ type, args, body }: Stanza): boolean {
  const [share] = args;
  if (type !== "X25519" || args.length !== 1 || share === undefined) return false;
  return decodeBase64(share)?.length === 32 && body.length === wrappedFileKeyBytes;
}
