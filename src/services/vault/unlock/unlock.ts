import type { Stanza } from "../../../crypto/age/stanza.ts";
import type { Leaf, LeafKey, Slot } from "../../../crypto/vault/leaf.ts";
import { openSlot } from "../../../crypto/vault/open-slot.ts";
import { HsmError } from "../../../errors.ts";
import type { KeySource, LeafRef } from "../key-source.ts";
import { nothingOpens, type SlotFailure, type SourceFailure } from "./unlock-failure.ts";
import { type Attempt, type Candidate, inOrder, leafRefs, nextAttempt } from "./unlock-plan.ts";

export interface UnlockRequest {
  /** Named in errors. */
  readonly file: string;
  readonly slots: readonly Slot[];
  readonly stanzas: ReadonlyMap<number, readonly Stanza[]>;
  readonly sources: readonly KeySource[];
  /** Slots that may be used, by id; all when absent. */
  readonly only?: readonly number[] | undefined;
  /** Slots that may not. */
  readonly except?: readonly number[] | undefined;
}

/** Keys for the legs of a slot, by which it opens again as long as the sources are open. */
export type KeyOf = (leaf: Leaf, legIndex: number) => LeafKey | undefined;

export interface Unlocked {
  /** 16 bytes; secret, the caller's to wipe. */
  readonly fileKey: Uint8Array;
  readonly slot: Slot;
  readonly keyOf: KeyOf;
  /** The sources that opened it. */
  readonly by: readonly KeySource[];
}

/**
 * Opens one slot. All sources look silently; then they are asked in a stable order, each only for what completes a slot
 * together with what is here, until one opens. A source that fails is not asked again, and the next is tried.
 * @throws HsmError `VAULT_NO_OPENER`, `VAULT_SHARES_MISSING` (device); the failure of the one source that had a key
 */
export async function unlock(request: UnlockRequest): Promise<Unlocked> {
  const { sources } = request;
  const slots = usable(request);
  const { candidates, failures } = await look(sources, leafRefs(slots));
  const run = new Run(request, candidates, failures);
  let open = [...slots];
  for (;;) {
    const attempt = nextAttempt(run.alive(), open);
    if (attempt === null) throw nothingOpens({ ...request, candidates, ...run });
    const unlocked = await run.attempt(attempt);
    if (unlocked !== null) return unlocked;
    open = open.filter((slot) => !run.closed.has(slot.id));
  }
}

function usable({ slots, only, except }: UnlockRequest): Slot[] {
  return slots.filter(({ id }) => only?.includes(id) !== false && except?.includes(id) !== true);
}

/** All at once: a reader that hangs costs its own deadline and nobody else's. */
async function look(sources: readonly KeySource[], refs: readonly LeafRef[]) {
  const failures: SourceFailure[] = [];
  const found = await Promise.all(
    sources.map(async (source): Promise<Candidate[]> => {
      try {
        const matches = await source.match(refs);
        return matches.map(({ ref, how, note }) => ({ source, ref, how, note }));
      } catch (error) {
        failures.push({ source, error: collectable(error) });
        return [];
      }
    }),
  );
  return { candidates: inOrder(found.flat(), sources), failures };
}

/** One run: what was obtained, and who must not be asked again. */
class Run {
  readonly failures: SourceFailure[];
  readonly slotFailures: SlotFailure[] = [];
  /** Slots that will not open with what is here. */
  readonly closed = new Set<number>();
  readonly #request: UnlockRequest;
  readonly #candidates: readonly Candidate[];
  readonly #useless = new Set<Candidate>();
  readonly #keys = new Map<Candidate, LeafKey>();

  constructor(request: UnlockRequest, candidates: readonly Candidate[], failures: SourceFailure[]) {
    this.#request = request;
    this.#candidates = candidates;
    this.failures = failures;
  }

  /** Candidates still worth asking. */
  alive(): Candidate[] {
    return this.#candidates.filter((one) => !this.#useless.has(one) && !this.#failed(one.source));
  }

  /** `null` when it did not work, and then something is known that rules it out from now on. */
  async attempt({ slot, legs }: Attempt): Promise<Unlocked | null> {
    for (const source of new Set(legs.map((leg) => leg.source))) {
      if (!(await this.#obtain(source, legs))) return null;
    }
    const byLeg = new Map(legs.map((leg) => [leg.ref.leg, this.#keys.get(leg)]));
    const keyOf: KeyOf = (_leaf, legIndex) => byLeg.get(legIndex);
    try {
      const fileKey = await openSlot(slot, this.#request.stanzas.get(slot.id) ?? [], keyOf);
      return { fileKey, slot, keyOf, by: [...new Set(legs.map((leg) => leg.source))] };
    } catch (error) {
      this.#note(slot, legs, collectable(error));
      return null;
    }
  }

  /** Asks a source for the keys of these legs that are not here yet. */
  async #obtain(source: KeySource, legs: readonly Candidate[]): Promise<boolean> {
    const wanted = legs.filter((leg) => leg.source === source && !this.#keys.has(leg));
    if (wanted.length === 0) return true;
    try {
      const keys = await source.keys(wanted.map(({ ref }) => ref));
      for (const leg of wanted) {
        const key = keys.get(leg.ref);
        if (key === undefined) this.#useless.add(leg);
        else this.#keys.set(leg, this.#watched(source, key));
      }
    } catch (error) {
      this.#noteRefusal(source, wanted, collectable(error));
      return false;
    }
    return wanted.every((leg) => this.#keys.has(leg));
  }

  /** A device may fail as late as in its last step: then it is known which of several it was. */
  #watched(source: KeySource, key: LeafKey): LeafKey {
    const watch = async <Result>(work: Promise<Result>): Promise<Result> => {
      try {
        return await work;
      } catch (error) {
        this.failures.push({ source, error: collectable(error) });
        throw error;
      }
    };
    switch (key.primitive) {
      case "ecdh":
        return { primitive: "ecdh", agree: (enc) => watch(key.agree(enc)) };
      case "rsa":
        return { primitive: "rsa", decryptRaw: (ciphertext) => watch(key.decryptRaw(ciphertext)) };
      case "x25519":
        return key;
    }
  }

  /** What speaks of one key leaves the source's other keys in play; what speaks of its PIN or its reader does not. */
  #noteRefusal(source: KeySource, wanted: readonly Candidate[], error: HsmError): void {
    if (endsSource(source, error)) {
      this.failures.push({ source, error });
      return;
    }
    for (const leg of wanted) this.#useless.add(leg);
    const slot = this.#request.slots.find(({ id }) => id === wanted[0]?.ref.slot);
    if (slot !== undefined) this.slotFailures.push({ slot, error, sources: [source] });
  }

  #note(slot: Slot, legs: readonly Candidate[], error: HsmError): void {
    if (legs.some(({ source }) => this.#failed(source))) return;
    this.slotFailures.push({ slot, error, sources: legs.map(({ source }) => source) });
    // Of several legs it was one whose key nobody could compare before; without such a one, the slot itself is broken.
    const guessed = legs.filter(({ how }) => how === "possible");
    for (const leg of legs.length === 1 ? legs : guessed) this.#useless.add(leg);
    if (legs.length > 1 && guessed.length === 0) this.closed.add(slot.id);
  }

  #failed(source: KeySource): boolean {
    return this.failures.some((failure) => failure.source === source);
  }
}

/**
 * Whether a source is not to be asked for anything more. A credential that is not there, a key that is used up or may not
 * do this, is one of several: a source by itself never sends twice what was refused. A passphrase that is wrong for one
 * slot may be right for another, and spends no try of anything.
 */
function endsSource(source: KeySource, { kind }: HsmError): boolean {
  if (kind === "authentication") return source.kind !== "passphrase";
  return kind === "refused" || kind === "timeout" || kind === "service";
}

/** What a next source may make good. Whoever cancels has done with all of them, and a mistake of ours is not hidden. */
function collectable(error: unknown): HsmError {
  if (error instanceof HsmError && error.kind !== "cancelled" && error.kind !== "interrupted") return error;
  throw error;
}
