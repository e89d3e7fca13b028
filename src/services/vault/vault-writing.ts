import { concat, equal } from "../../bytes/bytes.ts";
import { buildAgeHeader } from "../../crypto/age/header.ts";
import { sealPayload } from "../../crypto/age/payload.ts";
import type { Stanza } from "../../crypto/age/stanza.ts";
import { leavesOf, type Slot } from "../../crypto/vault/leaf.ts";
import { openSlot } from "../../crypto/vault/open-slot.ts";
import { type VaultHeader, vaultStanzas } from "../../crypto/vault/vault-header.ts";
import { HsmError, messageOf } from "../../errors.ts";
import { encodeDocument } from "./document/document-json.ts";
import { type VaultDocument, wipeDocument } from "./document/vault-document.ts";
import { sha256, type VaultImage } from "./file/vault-store.ts";
import { leafTitle } from "./leaf-key.ts";
import { type LockedVault, lockedImage } from "./locked-vault.ts";
import { openedPayload } from "./opened-payload.ts";
import type { KeyOf } from "./unlock/unlock.ts";
import { neededLegs } from "./unlock/unlock-plan.ts";

/** Bytes from a source of randomness. */
export type Random = (length: number) => Uint8Array;

/** Keys by which a slot is to open before a file that has it is put in place. */
export interface SlotProof {
  readonly slot: number;
  readonly keyOf: KeyOf;
  /** A new slot has to open with each of its legs; of one that opened already its own legs are enough. */
  readonly everyLeg: boolean;
}

/**
 * The bytes of a new generation under a fresh file key, checked as its next reader will: parsed, MAC and payload verified,
 * and opened through every slot that a proof is given for.
 * @throws HsmError `VAULT_SELF_CHECK` (unexpected), `VAULT_SLOT_UNPROVEN` (check-failed); whatever a key's owner throws
 */
export async function writtenVault(
  target: string,
  header: VaultHeader,
  document: VaultDocument,
  proofs: readonly SlotProof[],
  random: Random,
): Promise<VaultImage> {
  const proved = proofs.filter((proof) => header.slots.some(({ id }) => id === proof.slot));
  if (proved.length === 0) throw nothingProved();
  const fileKey = new Uint8Array(random(16));
  const plain = encodeDocument(document);
  try {
    const stanzas = await vaultStanzas(header, fileKey, random);
    const bytes = concat(buildAgeHeader(stanzas, fileKey), sealPayload(fileKey, plain));
    const image = { bytes, hash: sha256(bytes) };
    const locked = checkedAgain(target, image, fileKey, header);
    for (const proof of proved) await prove(locked, proof, fileKey);
    return image;
  } finally {
    fileKey.fill(0);
    plain.fill(0);
  }
}

function checkedAgain(target: string, image: VaultImage, fileKey: Uint8Array, header: VaultHeader): LockedVault {
  try {
    const locked = lockedImage(target, image);
    wipeDocument(openedPayload(locked, fileKey));
    const ids = (slots: readonly Slot[]) => slots.map(({ id }) => id).sort((a, b) => a - b);
    if (ids(locked.header.slots).join() !== ids(header.slots).join())
      throw new Error("its slots are not those it was to have");
    return locked;
  } catch (cause) {
    throw new HsmError("VAULT_SELF_CHECK", "unexpected", `the new ${target} does not read back: ${messageOf(cause)}`, {
      advice: "nothing was written; please report this",
      cause,
    });
  }
}

async function prove(
  locked: LockedVault,
  { slot: id, keyOf, everyLeg }: SlotProof,
  fileKey: Uint8Array,
): Promise<void> {
  const slot = locked.header.slots.find((each) => each.id === id);
  if (slot === undefined) return;
  const stanzas = locked.slotStanzas.get(id) ?? [];
  for (const legs of everyLeg ? rounds(slot, keyOf) : [null]) {
    await opensWith(slot, stanzas, (leaf, leg) => (legs?.has(leg) === false ? undefined : keyOf(leaf, leg)), fileKey);
  }
}

async function opensWith(slot: Slot, stanzas: readonly Stanza[], keyOf: KeyOf, fileKey: Uint8Array): Promise<void> {
  const opened = await openSlot(slot, stanzas, keyOf);
  const same = equal(opened, fileKey);
  opened.fill(0);
  if (!same) throw unproven(slot, "it opens something else");
}

/** Sets of legs, each enough to open the slot, which together try every leg that has a key. */
function rounds(slot: Slot, keyOf: KeyOf): ReadonlySet<number>[] {
  const leaves = leavesOf(slot.holder);
  const without = leaves.filter((leaf, leg) => keyOf(leaf, leg) === undefined);
  if (without.length > 0) throw unproven(slot, `no key of ${without.map(leafTitle).join(", ")} to try it with`);
  const needed = neededLegs(slot);
  const sets: Set<number>[] = [];
  for (let first = 0; first < leaves.length; first += needed) {
    sets.push(new Set(Array.from({ length: needed }, (_, i) => (first + i) % leaves.length)));
  }
  return sets;
}

function nothingProved(): HsmError {
  return new HsmError("VAULT_SLOT_UNPROVEN", "check-failed", "no slot that is known to open would be left", {
    advice: "keep the slot that opened the vault, or the one that takes its place",
  });
}

function unproven(slot: Slot, problem: string): HsmError {
  return new HsmError("VAULT_SLOT_UNPROVEN", "check-failed", `slot ${slot.id} was not proved to open: ${problem}`, {
    advice: "nothing was written; a slot is written only once it has opened with each of its keys",
    details: { slot: slot.id },
  });
}
