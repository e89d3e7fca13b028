import type { Stanza } from "../age/stanza.ts";
import { decodeMap, encodeMap, type MapFields } from "./cbor-map.ts";
import type { Slot, SlotHolder } from "./leaf.ts";
import { distinctKeys, leafMap, readLeaf } from "./leaf-descriptor.ts";
import { limits, stanzaTypes, vaultFormatVersion } from "./names.ts";
import { StanzaFields } from "./stanza-fields.ts";
import { isDateTime, isLabel } from "./text.ts";
import { vaultIdGrammar } from "./vault-seed.ts";

/**
 * `-> hsmadm/slot 1 SLOT KIND` with a CBOR map as body: descriptor 0 tells about the vault, every other one about a slot,
 * whose own stanzas follow it. Before the header's MAC was checked all of it is a hint.
 */
export interface VaultFacts {
  readonly vaultId: string;
  readonly generation: number;
  readonly nextSlot: number;
  /** X25519, 32 bytes. */
  readonly fileRecipient: Uint8Array;
}

const vaultKind = "vault";

export function vaultDescriptor(facts: VaultFacts): Stanza {
  const { vaultId, generation, nextSlot, fileRecipient } = facts;
  return descriptor(0, vaultKind, encodeMap({ 1: vaultId, 2: generation, 3: nextSlot, 4: fileRecipient }));
}

export function slotDescriptor({ id, label, created, holder }: Slot): Stanza {
  const common = { 1: label, 2: created };
  switch (holder.kind) {
    case "one":
      return descriptor(id, holder.leaf.kind, encodeMap({ ...common, 3: leafMap(holder.leaf) }));
    case "all-of":
      return descriptor(id, holder.kind, encodeMap({ ...common, 4: holder.legs.map(leafMap) }));
    case "threshold":
      return descriptor(id, holder.kind, encodeMap({ ...common, 4: holder.legs.map(leafMap), 5: holder.k }));
  }
}

function descriptor(id: number, kind: string, body: Uint8Array): Stanza {
  return { type: stanzaTypes.slot, args: [vaultFormatVersion, String(id), kind], body };
}

/** @throws HsmError `VAULT_HEADER_INVALID` (check-failed) */
export function readVaultDescriptor(stanza: Stanza): VaultFacts {
  const fields = new StanzaFields(stanza, stanzaTypes.slot);
  fields.expect("slot", 0);
  fields.expect("kind", vaultKind);
  fields.end();
  const map = decodeMap(stanza.body, "the vault's descriptor");
  const facts = {
    vaultId: map.text(1),
    generation: map.integer(2, 1, Number.MAX_SAFE_INTEGER),
    nextSlot: map.integer(3, 2, limits.slotId + 1),
    fileRecipient: map.bytes(4, 32),
  };
  map.end();
  if (!vaultIdGrammar.test(facts.vaultId)) throw map.invalid(1, "no vault id");
  return facts;
}

/** @throws HsmError `VAULT_HEADER_INVALID` (check-failed) */
export function readSlotDescriptor(stanza: Stanza): Slot {
  const fields = new StanzaFields(stanza, stanzaTypes.slot);
  const id = fields.number("slot");
  const kind = fields.text("kind");
  fields.end();
  if (id === 0) throw fields.invalid("0 where a slot's belongs");
  const map = decodeMap(stanza.body, `the descriptor of slot ${id}`);
  const label = map.text(1);
  const created = map.text(2);
  if (!isLabel(label)) throw map.invalid(1, "not a printable text of this length");
  if (!isDateTime(created)) throw map.invalid(2, "no date and time");
  const holder = readHolder(kind, map);
  map.end();
  return { id, label, created, holder };
}

function readHolder(kind: string, map: MapFields): SlotHolder {
  if (kind !== "all-of" && kind !== "threshold") {
    const leaf = readLeaf(map.map(3, "key"));
    if (leaf.kind !== kind) throw map.invalid(3, "a key of another kind than the stanza says");
    return { kind: "one", leaf };
  }
  const legs = map.list(4, "leg").map(readLeaf);
  if (legs.length < limits.legsMin || legs.length > limits.legsMax) throw map.invalid(4, "not 2 to 16 legs");
  if (!distinctKeys(legs)) throw map.invalid(4, "one key twice");
  return kind === "all-of" ? { kind, legs } : { kind, k: map.integer(5, 2, legs.length), legs };
}
