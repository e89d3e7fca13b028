import { randomBytes } from "node:crypto";
import type { Slot } from "../../crypto/vault/leaf.ts";
import { HsmError } from "../../errors.ts";
import { type VaultDocument, vaultDate, wipeDocument } from "./document/vault-document.ts";
import { takeVaultLock } from "./file/vault-lock.ts";
import { createVaultFile, refuseTaken, vaultTarget } from "./file/vault-store.ts";
import type { KeySource } from "./key-source.ts";
import { lockedVault } from "./locked-vault.ts";
import { OpenVault } from "./open-vault.ts";
import { openedPayload } from "./opened-payload.ts";
import { unlock } from "./unlock/unlock.ts";
import { checkPins, type PinOptions, rememberVault } from "./vault-pins.ts";
import { publicRoot } from "./vault-roots.ts";
import type { NewSlot } from "./vault-slots.ts";
import { type Random, writtenVault } from "./vault-writing.ts";

/** Clock and randomness, for tests. */
export interface VaultWorld {
  readonly now?: (() => Date) | undefined;
  readonly random?: Random | undefined;
}

export interface OpenOptions extends PinOptions, VaultWorld {
  /** Takes the lock at once, before anybody is asked for anything; else `save` takes it. */
  readonly write?: boolean | undefined;
  /** Slots to open it with, by id; any when absent. */
  readonly only?: readonly number[] | undefined;
  /** Slots not to open it with, as for the removal of one. */
  readonly except?: readonly number[] | undefined;
}

/**
 * Opens a vault with what is at hand. The sources stay the caller's to close, after the vault.
 * @throws HsmError what `lockedVault` throws; `VAULT_LOCKED` (conflict); `VAULT_NO_OPENER`, `VAULT_SHARES_MISSING` (device)
 *   or what the one source that had a key said; `VAULT_HEADER_MAC`, `VAULT_DOCUMENT_INVALID`, `VAULT_ID_OTHER`,
 *   `VAULT_ROLLBACK`, `VAULT_STATE_FORGED` (check-failed)
 */
export async function openVault(
  path: string,
  sources: readonly KeySource[],
  options: OpenOptions = {},
): Promise<OpenVault> {
  const target = await vaultTarget(path);
  const lock = options.write === true ? await takeVaultLock(target) : null;
  try {
    return await opened(target, sources, options, lock);
  } catch (error) {
    await lock?.();
    throw error;
  }
}

async function opened(
  target: string,
  sources: readonly KeySource[],
  options: OpenOptions,
  lock: (() => Promise<void>) | null,
): Promise<OpenVault> {
  const locked = await lockedVault(target);
  const { header, image, slotStanzas } = locked;
  const { only, except, now = () => new Date(), random = randomBytes } = options;
  const { fileKey, ...opener } = await unlock({
    file: target,
    slots: header.slots,
    stanzas: slotStanzas,
    sources,
    only,
    except,
  });
  let document: VaultDocument;
  try {
    document = openedPayload(locked, fileKey);
  } finally {
    fileKey.fill(0);
  }
  const sighted = { target, document, hash: image.hash };
  const outcome = await checkPins(sighted, options).catch((error: unknown) => {
    wipeDocument(document);
    throw error;
  });
  const notes = await rememberVault(sighted, header, options, { evenOlder: outcome.rolledBack, write: false });
  return new OpenVault({ target, image, header, document, opener, pins: options, outcome, notes, lock, now, random });
}

/**
 * Makes a vault that these slots open, each proved before the file is put in place. It holds nothing yet.
 * @throws HsmError `FILE_EXISTS` (conflict), `VAULT_SLOT_INVALID` (usage), `VAULT_SLOT_UNPROVEN` (check-failed),
 *   `FILE_NOT_WRITABLE` (service)
 */
export async function createVault(
  path: string,
  newSlots: readonly NewSlot[],
  options: Pick<OpenOptions, "state" | "anchor"> & VaultWorld = {},
): Promise<OpenVault> {
  const [first] = newSlots;
  if (first === undefined) {
    throw new HsmError("VAULT_SLOT_INVALID", "usage", "a vault needs a slot, else nothing opens it");
  }
  const { now = () => new Date(), random = randomBytes, ...pins } = options;
  const target = await vaultTarget(path);
  await refuseTaken(target);
  const date = vaultDate(now());
  const seed = new Uint8Array(random(32));
  const slots = newSlots.map(({ label, holder }, i): Slot => ({ id: i + 1, label, created: date, holder }));
  const root = publicRoot(seed);
  const header = { ...root, generation: 1, nextSlot: slots.length + 1, slots };
  const document: VaultDocument = {
    id: root.vaultId,
    generation: 1,
    previous: null,
    created: date,
    updated: date,
    seed,
    secrets: new Map(),
    retired: [],
  };
  const proofs = newSlots.map(({ proof }, i) => ({ slot: i + 1, keyOf: proof, everyLeg: true }));
  const image = await writtenVault(target, header, document, proofs, random);
  await createVaultFile(target, image.bytes);
  const sighted = { target, document, hash: image.hash };
  const notes = await rememberVault(sighted, header, pins, { evenOlder: true, write: true });
  const opener = { slot: slots[0] as Slot, keyOf: first.proof, by: [] };
  const outcome = { trust: "first-met", rolledBack: false } as const;
  return new OpenVault({ target, image, header, document, opener, pins, outcome, notes, lock: null, now, random });
}
