import { buildAgeHeader, headerMacMatches, parseAgeHeader } from "../../../../src/crypto/age/header.ts";
import type { Stanza } from "../../../../src/crypto/age/stanza.ts";
import type { LeafKind, Slot, SlotHolder } from "../../../../src/crypto/vault/leaf.ts";
import { openSlot } from "../../../../src/crypto/vault/open-slot.ts";
import { readVaultStanzas, type VaultHeader, vaultStanzas } from "../../../../src/crypto/vault/vault-header.ts";
import { fileIdentity, vaultId } from "../../../../src/crypto/vault/vault-seed.ts";
import { type Random, repeatable, type SoftwareKey, softwareKey } from "./software-keys.ts";

/** A slot and its software owners, in the order of the legs. */
export interface OwnedSlot {
  readonly slot: Slot;
  readonly owners: readonly SoftwareKey[];
}

export function owned(id: number, owners: readonly SoftwareKey[], k?: number): OwnedSlot {
  const legs = owners.map(({ leaf }) => leaf);
  const [leaf] = legs;
  const holder: SlotHolder =
    k !== undefined
      ? { kind: "threshold", k, legs }
      : legs.length === 1 && leaf !== undefined
        ? { kind: "one", leaf }
        : { kind: "all-of", legs };
  return { slot: { id, label: `slot ${id}`, created: "2026-11-21T00:16:51Z", holder }, owners };
}

export function ofKinds(id: number, kinds: readonly LeafKind[], seed = `slot ${id}`, k?: number): OwnedSlot {
  const random = repeatable(seed);
  return owned(
    id,
    kinds.map((kind, i) => softwareKey(kind, random, i)),
    k,
  );
}

export function headerFor(slots: readonly OwnedSlot[], seed: Uint8Array = new Uint8Array(32).fill(7)): VaultHeader {
  return {
    vaultId: vaultId(seed),
    generation: 1,
    nextSlot: Math.max(...slots.map(({ slot }) => slot.id)) + 1,
    fileRecipient: fileIdentity(seed).publicKey,
    slots: slots.map(({ slot }) => slot),
  };
}

export const testFileKey = Uint8Array.from({ length: 16 }, (_, i) => i + 1);

export function stanzasFor(slots: readonly OwnedSlot[], random: Random = repeatable("wrap")): Promise<Stanza[]> {
  return vaultStanzas(headerFor(slots), testFileKey, random);
}

/** Opens a slot with those of its owners whose leg is in `present`. */
export function opened(
  stanzas: readonly Stanza[],
  { slot, owners }: OwnedSlot,
  present: (leg: number) => boolean = () => true,
): Promise<Uint8Array> {
  const own = readVaultStanzas(stanzas).slotStanzas.get(slot.id) ?? [];
  return openSlot(slot, own, (_, leg) => (present(leg) ? owners[leg]?.key : undefined));
}

/** Whether a header's MAC is that of its maker. */
export function genuine(header: Uint8Array, fileKey: Uint8Array): boolean {
  return headerMacMatches(parseAgeHeader(header), fileKey);
}

export function headerBytes(stanzas: readonly Stanza[]): Uint8Array {
  return buildAgeHeader(stanzas, testFileKey);
}
