import { leavesOf, type Slot } from "../../../crypto/vault/leaf.ts";
import type { KeySource, KeySourceKind, LeafMatch, LeafRef } from "../key-source.ts";

/** A source that may serve a leaf. */
export interface Candidate {
  readonly source: KeySource;
  readonly ref: LeafRef;
  readonly how: LeafMatch["how"];
  readonly note: string | undefined;
}

/** One way to open a slot: a candidate for each leg that it takes. */
export interface Attempt {
  readonly slot: Slot;
  readonly legs: readonly Candidate[];
}

const kindOrder: readonly KeySourceKind[] = ["card", "fido2", "passphrase", "recovery"];

export function leafRefs(slots: readonly Slot[]): LeafRef[] {
  return slots.flatMap((slot) => leavesOf(slot.holder).map((leaf, leg) => ({ slot: slot.id, leg, leaf })));
}

/** How many of a slot's legs it takes to open it. */
export function neededLegs({ holder }: Slot): number {
  if (holder.kind === "one") return 1;
  return holder.kind === "all-of" ? holder.legs.length : holder.k;
}

/**
 * In the order in which they are to be tried: what is certainly here before what only asking would tell, so that nobody is
 * made to touch or type for nothing; then cards, FIDO2 tokens, passphrases, recovery keys; then as the sources were given.
 */
export function inOrder(candidates: readonly Candidate[], sources: readonly KeySource[]): Candidate[] {
  const place = ({ how, source, ref }: Candidate) => [
    how === "certain" ? 0 : 1,
    kindOrder.indexOf(source.kind),
    sources.indexOf(source),
    ref.slot,
    ref.leg,
  ];
  return candidates.toSorted((a, b) => compare(place(a), place(b)));
}

/**
 * The attempt that comes next, or `null`. Device-major: the one whose last device comes earliest, so that everything one
 * device can do is tried before the next is asked; of two alike, the slot with the lower number.
 * @param candidates in order, only those that are still worth asking
 * @param slots only those that are still to be tried
 */
export function nextAttempt(candidates: readonly Candidate[], slots: readonly Slot[]): Attempt | null {
  let best: { readonly attempt: Attempt; readonly cost: readonly number[] } | null = null;
  for (const slot of slots) {
    const legs = cheapestLegs(slot, candidates);
    if (legs.length < neededLegs(slot)) continue;
    const cost = deviceCost(legs, candidates);
    if (best === null || compare(cost, best.cost) < 0) best = { attempt: { slot, legs }, cost };
  }
  return best?.attempt ?? null;
}

/** The first candidate of each leg, and of these as many as the slot takes. */
export function cheapestLegs(slot: Slot, candidates: readonly Candidate[]): Candidate[] {
  const legs = new Map<number, Candidate>();
  for (const candidate of candidates) {
    const { ref } = candidate;
    if (ref.slot === slot.id && !legs.has(ref.leg)) legs.set(ref.leg, candidate);
  }
  return [...legs.values()].slice(0, neededLegs(slot));
}

/** The places of its devices in the order, the last first. */
function deviceCost(legs: readonly Candidate[], candidates: readonly Candidate[]): number[] {
  const places = legs.map(({ source, how }) => candidates.findIndex((one) => one.source === source && one.how === how));
  return [...new Set(places)].sort((a, b) => b - a);
}

function compare(a: readonly number[], b: readonly number[]): number {
  for (let i = 0; i < Math.min(a.length, b.length); i++) {
    const difference = (a[i] ?? 0) - (b[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}
