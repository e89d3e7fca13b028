import { randomBytes } from "node:crypto";
import { HsmError } from "../../errors.ts";
import { encodeStanza, type Stanza } from "../age/stanza.ts";
import {
  readSlotDescriptor,
  readVaultDescriptor,
  slotDescriptor,
  type VaultFacts,
  vaultDescriptor,
} from "./descriptor.ts";
import type { Slot } from "./leaf.ts";
import { limits, stanzaTypes } from "./names.ts";
import { checkSlotStanzas, stanzaCount, wrapToSlot } from "./slot-stanzas.ts";
import { headerInvalid, slotInvalid } from "./vault-errors.ts";

/** What a vault's header says of itself, all of it public. True once the header's MAC was checked, a hint before. */
export interface VaultHeader extends VaultFacts {
  /** In ascending order of their ids. */
  readonly slots: readonly Slot[];
}

/**
 * The stanzas of a vault's header: descriptor 0, then for each slot its descriptor and the file key under its keys.
 * @param fileKey 16 bytes, fresh
 * @throws HsmError `VAULT_SLOT_INVALID` (usage) for a slot, or a set of them, that the format does not have
 */
export async function vaultStanzas(
  header: VaultHeader,
  fileKey: Uint8Array,
  random: (length: number) => Uint8Array = randomBytes,
): Promise<Stanza[]> {
  const slots = [...header.slots].sort((a, b) => a.id - b.id);
  const own = (length: number): Uint8Array => new Uint8Array(random(length));
  const stanzas = [vaultDescriptor(header)];
  for (const slot of slots) {
    checkWritable(slot);
    stanzas.push(slotDescriptor(slot), ...wrapToSlot(fileKey, slot, own));
  }
  try {
    readVaultStanzas(stanzas);
  } catch (cause) {
    throw slotInvalid(problemOf(cause), cause);
  }
  return stanzas;
}

/** Found before anything is wrapped for it. */
function checkWritable(slot: Slot): void {
  try {
    readSlotDescriptor(slotDescriptor(slot));
  } catch (cause) {
    throw slotInvalid(problemOf(cause), cause);
  }
}

function problemOf(cause: unknown): string {
  if (!(cause instanceof HsmError)) throw cause;
  return cause.message.replace(/^not a (?:valid vault header|slot that a vault can have): /, "");
}

export interface VaultStanzas {
  readonly header: VaultHeader;
  /** By slot: the stanzas behind its descriptor, in their order. */
  readonly slotStanzas: ReadonlyMap<number, readonly Stanza[]>;
}

/**
 * Takes a header apart. Every stanza has to belong to a slot, by its place directly behind the slot's descriptor.
 * @throws HsmError `VAULT_HEADER_INVALID`, or `AGE_FILE_INVALID` for a malformed stanza of age's own (check-failed)
 */
export function readVaultStanzas(stanzas: readonly Stanza[]): VaultStanzas {
  const [first, ...rest] = stanzas;
  if (first?.type !== stanzaTypes.slot) throw headerInvalid("an age file, but no vault: it does not begin with slot 0");
  checkSize(stanzas);
  const facts = readVaultDescriptor(first);
  const slots: Slot[] = [];
  const slotStanzas = new Map<number, readonly Stanza[]>();
  for (let at = 0; at < rest.length; ) {
    const slot = readSlotDescriptor(rest[at] as Stanza);
    const end = at + 1 + stanzaCount(slot.holder);
    const own = rest.slice(at + 1, end);
    if (end > rest.length) throw headerInvalid(`slot ${slot.id} lacks stanzas`);
    if (slot.id <= (slots.at(-1)?.id ?? 0)) throw headerInvalid(`slot ${slot.id} out of order`);
    checkSlotStanzas(slot, own);
    slots.push(slot);
    slotStanzas.set(slot.id, own);
    at = end;
  }
  if (slots.length === 0) throw headerInvalid("no slots");
  if (slots.length > limits.slots) throw headerInvalid(`${slots.length} slots, more than ${limits.slots}`);
  if ((slots.at(-1)?.id ?? 0) >= facts.nextSlot) throw headerInvalid("a slot beyond the number of the next one");
  return { header: { ...facts, slots }, slotStanzas };
}

function checkSize(stanzas: readonly Stanza[]): void {
  const size = stanzas.reduce((sum, stanza) => sum + encodeStanza(stanza).length, 0);
  if (size > limits.headerBytes) throw headerInvalid(`${size} bytes, more than ${limits.headerBytes}`);
}
