import { equal } from "../../bytes/bytes.ts";
import type { ByteSource } from "../../crypto/age/chunker.ts";
import { formatX25519Recipient } from "../../crypto/age/x25519.ts";
import type { Slot } from "../../crypto/vault/leaf.ts";
import type { VaultHeader } from "../../crypto/vault/vault-header.ts";
import { derive } from "../../crypto/vault/vault-seed.ts";
import { HsmError } from "../../errors.ts";
import { type SecretType, type VaultDocument, vaultDate, wipeDocument } from "./document/vault-document.ts";
import { takeVaultLock } from "./file/vault-lock.ts";
import { readVaultImage, replaceVault, type VaultImage, vaultChanged } from "./file/vault-store.ts";
import type { KeySource } from "./key-source.ts";
import { lockedImage } from "./locked-vault.ts";
import { sealedTo, unsealedWith } from "./sealed-files.ts";
import { trySlot } from "./unlock/try-slot.ts";
import type { Unlocked } from "./unlock/unlock.ts";
import {
  type NewSecret,
  type SecretFacts,
  secretFacts,
  secretNamed,
  withoutSecret,
  withSecret,
} from "./vault-edits.ts";
import { type PinOptions, type PinOutcome, rememberVault } from "./vault-pins.ts";
import { publicRoot, seedOf, withNewRoot, withoutRetired } from "./vault-roots.ts";
import { judgeRemoval, type NewSlot, slotNumbered, slotOpened } from "./vault-slots.ts";
import { type Random, type SlotProof, writtenVault } from "./vault-writing.ts";

export interface RekeyOutcome {
  /** Ids; the new one is to be noted anew. */
  readonly from: string;
  readonly to: string;
  /**
   * What did not change and was open to whoever could open the vault before: to be changed where it is used. The same
   * holds for every key that was derived, and files sealed to the old recipient open only while its seed is kept.
   */
  readonly secrets: readonly string[];
}

export interface SaveOptions {
  /** Keep the old file as `FILE.bak`; yes unless told otherwise. It opens with slots that were removed. */
  readonly backup?: boolean | undefined;
}

export interface SaveOutcome {
  readonly generation: number;
  /** What went wrong after the file was in place: the host or the token could not note the new generation. */
  readonly notes: readonly string[];
}

/** What {@link OpenVault} is made of; `openVault` and `createVault` put it together. */
export interface OpenParts {
  readonly target: string;
  readonly image: VaultImage;
  readonly header: VaultHeader;
  readonly document: VaultDocument;
  readonly opener: Pick<Unlocked, "slot" | "keyOf" | "by">;
  readonly pins: PinOptions;
  readonly outcome: PinOutcome;
  /** What could not be remembered when it was opened. */
  readonly notes: readonly string[];
  readonly lock: (() => Promise<void>) | null;
  readonly now: () => Date;
  readonly random: Random;
}

/**
 * A vault whose slot has opened and whose header, payload and history were found genuine. Edits are kept in memory until
 * {@link save}. Every value handed out is a copy of the caller's own, to be wiped by the caller.
 */
export class OpenVault {
  /** The file, links followed. */
  readonly path: string;
  /** How its id was vouched for. */
  readonly outcome: PinOutcome;
  /** What could not be noted on the way; for people. */
  readonly notes: readonly string[];
  readonly #pins: PinOptions;
  readonly #now: () => Date;
  readonly #random: Random;
  #image: VaultImage;
  #header: VaultHeader;
  #document: VaultDocument;
  #opener: Pick<Unlocked, "slot" | "keyOf" | "by">;
  #lock: (() => Promise<void>) | null;
  #proofs: SlotProof[] = [];
  #closed = false;

  /** @internal Not for callers: `openVault` and `createVault` are. */
  constructor(parts: OpenParts) {
    this.path = parts.target;
    this.outcome = parts.outcome;
    this.notes = parts.notes;
    this.#pins = parts.pins;
    this.#now = parts.now;
    this.#random = parts.random;
    this.#image = parts.image;
    this.#header = parts.header;
    this.#document = parts.document;
    this.#opener = parts.opener;
    this.#lock = parts.lock;
  }

  get id(): string {
    return this.#document.id;
  }

  /** Of the file; {@link save} makes it one more. */
  get generation(): number {
    return this.#document.generation;
  }

  get created(): string {
    return this.#document.created;
  }

  get updated(): string {
    return this.#document.updated;
  }

  /** With edits that are not saved yet. */
  get slots(): readonly Slot[] {
    return this.#header.slots;
  }

  /** The header as it is now, for `vaultPolicy`. */
  get header(): VaultHeader {
    return this.#header;
  }

  /** The slot that opened it, and by what. */
  get openedBy(): { readonly slot: Slot; readonly sources: readonly KeySource[] } {
    return { slot: this.#opener.slot, sources: this.#opener.by };
  }

  /** `age1…`: whoever knows it seals files that this vault opens. */
  get fileRecipient(): string {
    return formatX25519Recipient(this.#header.fileRecipient);
  }

  /** Seeds that a rekey replaced and that are still kept, by the id they stood for. */
  get retired(): readonly { readonly id: string; readonly retired: string }[] {
    return this.#document.retired.map(({ id, retired }) => ({ id, retired }));
  }

  /** In the order of their names. */
  list(): readonly SecretFacts[] {
    return secretFacts(this.#open());
  }

  /** @returns the value, secret, the caller's to wipe @throws HsmError `VAULT_SECRET_UNKNOWN` (usage) */
  get(name: string): { readonly type: SecretType; readonly value: Uint8Array } {
    const { type, value } = secretNamed(this.#open(), name);
    return { type, value: value.slice() };
  }

  /** The value is copied. @throws HsmError `VAULT_NAME_INVALID`, `VAULT_SECRET_INVALID` (usage) */
  set(name: string, secret: NewSecret): void {
    this.#document = withSecret(this.#open(), name, secret, vaultDate(this.#now()));
  }

  /** @throws HsmError `VAULT_SECRET_UNKNOWN` (usage) */
  remove(name: string): void {
    this.#document = withoutSecret(this.#open(), name);
  }

  /**
   * A key for a consumer outside, from the seed; nothing is stored.
   * @param retired id of an earlier seed, to move a consumer from its key to the new one
   * @returns 32 bytes, secret
   * @throws HsmError `VAULT_PURPOSE_INVALID`, `VAULT_SEED_UNKNOWN` (usage)
   */
  derive(purpose: string, context: string, { retired }: { readonly retired?: string | undefined } = {}): Uint8Array {
    return derive(seedOf(this.#open(), retired), purpose, context);
  }

  /** @returns the id of the new slot @throws HsmError `VAULT_SLOT_INVALID` (usage), at the latest when it is saved */
  addSlot({ label, holder, proof }: NewSlot): number {
    this.#open();
    const id = this.#header.nextSlot;
    const slot: Slot = { id, label, created: vaultDate(this.#now()), holder };
    this.#header = { ...this.#header, nextSlot: id + 1, slots: [...this.#header.slots, slot] };
    this.#proofs = [...this.#proofs, { slot: id, keyOf: proof, everyLeg: true }];
    return id;
  }

  /**
   * From the next generation on the slot opens nothing; copies of the file made before still open with it.
   * @param acknowledge the vault may be left without its last everyday slot, or without its last recovery key
   * @throws HsmError `VAULT_SLOT_UNKNOWN` (usage), `VAULT_SLOT_OPENED` (refused) for the slot that opened the vault,
   *   `VAULT_LAST_OPENER`, `VAULT_LAST_RECOVERY` (refused)
   */
  removeSlot(id: number, { acknowledge = false }: { readonly acknowledge?: boolean | undefined } = {}): void {
    this.#open();
    const slot = slotNumbered(this.slots, id);
    if (id === this.#opener.slot.id) throw slotOpened(id);
    this.#drop(slot, acknowledge);
  }

  /** A new slot in the place of an old one, in one generation; the old one may be the one that opened the vault. */
  rotateSlot(
    id: number,
    { holder, proof, label }: Omit<NewSlot, "label"> & { readonly label?: string | undefined },
    { acknowledge = false }: { readonly acknowledge?: boolean | undefined } = {},
  ): number {
    const old = slotNumbered(this.slots, id);
    const fresh = this.addSlot({ holder, proof, label: label ?? old.label });
    try {
      this.#drop(old, acknowledge);
    } catch (error) {
      this.#header = { ...this.#header, slots: this.slots.filter((slot) => slot.id !== fresh) };
      throw error;
    }
    return fresh;
  }

  /**
   * Opens one slot of the file as it is, to see whether it would.
   * @throws HsmError as `unlock` does
   */
  async testSlot(id: number, sources: readonly KeySource[]): Promise<{ readonly by: readonly KeySource[] }> {
    return { by: await trySlot(lockedImage(this.path, this.#image), id, sources) };
  }

  /** A new seed, hence a new id, new derived keys and a new file recipient; the old seed is kept among the retired. */
  rekey(): RekeyOutcome {
    const { id: from } = this.#open();
    const seed = new Uint8Array(this.#random(32));
    this.#document = withNewRoot(this.#document, seed, vaultDate(this.#now()));
    this.#header = { ...this.#header, ...publicRoot(seed) };
    return { from, to: this.id, secrets: this.list().map(({ name }) => name) };
  }

  /** Forgets retired seeds: keys derived from them, and files sealed to them, are lost to this vault. @returns their ids */
  dropRetired(): readonly string[] {
    const ids = this.#open().retired.map(({ id }) => id);
    this.#document = withoutRetired(this.#document);
    return ids;
  }

  /** An age file for this vault, of any size, as a stream. */
  seal(plain: ByteSource): AsyncGenerator<Uint8Array> {
    this.#open();
    return sealedTo(this.#header.fileRecipient, plain, this.#random);
  }

  /**
   * What was sealed to this vault, before a rekey too. Complete only when the stream ends without an exception.
   * @throws HsmError `AGE_NO_MATCH` (device), `AGE_FILE_INVALID`, `AGE_MAC_WRONG` (check-failed)
   */
  async unseal(sealed: ByteSource): Promise<AsyncGenerator<Uint8Array>> {
    return unsealedWith(this.#open(), sealed);
  }

  /**
   * Writes the next generation: under a fresh file key to all slots, proved to open before it takes the old one's place.
   * When it throws, the file is as it was and the edits are still here.
   * @throws HsmError `VAULT_LOCKED`, `VAULT_CHANGED` (conflict), `VAULT_SLOT_UNPROVEN` (check-failed),
   *   `VAULT_TOO_LARGE` (refused), `VAULT_NOT_WRITTEN` (service)
   */
  async save({ backup = true }: SaveOptions = {}): Promise<SaveOutcome> {
    this.#open();
    const unlock = this.#lock === null ? await takeVaultLock(this.path) : null;
    try {
      return await this.#write(backup);
    } finally {
      await unlock?.();
    }
  }

  async #write(backup: boolean): Promise<SaveOutcome> {
    // Before anybody is asked to touch anything for the proofs.
    const { hash } = await readVaultImage(this.path);
    if (!equal(hash, this.#image.hash)) throw vaultChanged(this.path);
    const before = this.#document;
    const generation = before.generation + 1;
    const document = { ...before, generation, previous: this.#image.hash, updated: vaultDate(this.#now()) };
    const header = { ...this.#header, generation };
    const image = await writtenVault(this.path, header, document, this.#allProofs(), this.#random);
    await replaceVault(this.path, image.bytes, { expected: this.#image.hash, backup });
    this.#afterWrite(image, header, document);
    const sighted = { target: this.path, document, hash: image.hash };
    const notes = await rememberVault(sighted, header, this.#pins, { evenOlder: true, write: true });
    return { generation, notes };
  }

  #afterWrite(image: VaultImage, header: VaultHeader, document: VaultDocument): void {
    const opener = header.slots.find(({ id }) => id === this.#opener.slot.id);
    const proof = this.#proofs.findLast(({ slot }) => header.slots.some(({ id }) => id === slot));
    if (opener === undefined && proof !== undefined) {
      this.#opener = { slot: slotNumbered(header.slots, proof.slot), keyOf: proof.keyOf, by: [] };
    }
    this.#proofs = [];
    this.#image = image;
    this.#header = header;
    this.#document = document;
  }

  /** The new slots, and the one that opened the vault as long as it stays: so there is always one that is known to open. */
  #allProofs(): SlotProof[] {
    const { slot, keyOf } = this.#opener;
    return [{ slot: slot.id, keyOf, everyLeg: false }, ...this.#proofs];
  }

  /** Wipes what is secret and gives the lock back. The sources are their owner's to close. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    wipeDocument(this.#document);
    await this.#lock?.();
    this.#lock = null;
  }

  #drop(slot: Slot, acknowledge: boolean): void {
    const rest = this.slots.filter(({ id }) => id !== slot.id);
    judgeRemoval(slot, rest, acknowledge);
    this.#header = { ...this.#header, slots: rest };
    this.#proofs = this.#proofs.filter((proof) => proof.slot !== slot.id);
  }

  #open(): VaultDocument {
    if (this.#closed) throw new HsmError("VAULT_CLOSED", "unexpected", "the vault was closed already");
    return this.#document;
  }
}
