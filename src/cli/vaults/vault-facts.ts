import { toHex } from "../../bytes/hex.ts";
import { type Leaf, leavesOf, type Slot } from "../../crypto/vault/leaf.ts";
import { leafTitle } from "../../services/vault/leaf-key.ts";
import type { OpenVault } from "../../services/vault/open-vault.ts";
import type { Document } from "../output.ts";

/** `vault` of every JSON document about one. */
export function vaultFacts(vault: Pick<OpenVault, "path" | "id" | "generation">): Document {
  return { file: vault.path, id: vault.id, generation: vault.generation };
}

/** A slot as JSON documents tell it. */
export function slotFacts({ id, label, created, holder }: Slot): Document {
  const legs = leavesOf(holder);
  const needed = holder.kind === "one" ? 1 : holder.kind === "all-of" ? legs.length : holder.k;
  return { id, label, created, holder: holder.kind, needed, legs: legs.map(legFacts) };
}

function legFacts(leaf: Leaf): Document {
  const facts = { kind: leaf.kind, title: leafTitle(leaf) };
  if ("card" in leaf) {
    const { serial, keyLabel, keyRef, ckaId } = leaf.card;
    return {
      ...facts,
      serial: serial ?? null,
      keyLabel: keyLabel ?? null,
      keyRef: keyRef ?? null,
      keyId: ckaId === undefined ? null : toHex(ckaId),
      ...(leaf.kind === "card-ec" ? { curve: leaf.curve } : {}),
    };
  }
  if (leaf.kind !== "fido2") return facts;
  const { aaguid, uv, credProtect } = leaf.credential;
  return { ...facts, aaguid: toHex(aaguid).toLowerCase(), userVerification: uv, credProtect };
}

/** `1 (backup)`: how messages name a slot. */
export function slotName({ id, label }: Pick<Slot, "id" | "label">): string {
  return label === "" ? `${id}` : `${id} (${label})`;
}

/** `card DENK0105213 key vault AND FIDO2 3F2A0011`. */
export function openerWords({ holder }: Slot): string {
  const titles = leavesOf(holder).map((leaf) => leafTitle(leaf) + uvWords(leaf));
  if (holder.kind === "one") return titles.join("");
  return holder.kind === "all-of" ? titles.join(" AND ") : `any ${holder.k} of: ${titles.join(", ")}`;
}

function uvWords(leaf: Leaf): string {
  if (leaf.kind !== "fido2") return "";
  return leaf.credential.uv ? " with PIN" : " by touch alone";
}
