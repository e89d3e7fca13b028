import { leavesOf, type Slot } from "../../../crypto/vault/leaf.ts";
import { HsmError } from "../../../errors.ts";
import type { KeySource } from "../key-source.ts";
import { leafTitle } from "../leaf-key.ts";
import { type Candidate, neededLegs } from "./unlock-plan.ts";

export interface SourceFailure {
  readonly source: KeySource;
  readonly error: HsmError;
}

/** The keys were there, and the slot did not open. */
export interface SlotFailure {
  readonly slot: Slot;
  readonly error: HsmError;
  readonly sources: readonly KeySource[];
}

export interface UnlockFacts {
  readonly file: string;
  readonly slots: readonly Slot[];
  readonly sources: readonly KeySource[];
  readonly only?: readonly number[] | undefined;
  readonly except?: readonly number[] | undefined;
  readonly candidates: readonly Candidate[];
  readonly failures: readonly SourceFailure[];
  readonly slotFailures: readonly SlotFailure[];
}

/**
 * Why no slot opened, told by the nearest cause: the one source that had a key and failed says it itself; a slot that
 * lacks only some of its legs says who could help; else everything that was tried is listed.
 */
export function nothingOpens(facts: UnlockFacts): HsmError {
  const details = { slots: facts.slots.map((slot) => slotReport(slot, facts)), devices: deviceReports(facts) };
  const errors = [...facts.failures, ...facts.slotFailures].map(({ error }) => error);
  const [first] = errors;
  const involved = new Set([
    ...facts.failures.map(({ source }) => source),
    ...facts.slotFailures.flatMap(({ sources }) => sources),
  ]);
  // A passphrase that is wrong for three slots is one wrong passphrase.
  const alike = errors.length === 1 || (involved.size === 1 && errors.every(({ code }) => code === first?.code));
  if (first !== undefined && alike) return saidBy(first, facts, details);
  if (first === undefined) {
    const missing = sharesMissing(facts, details);
    if (missing !== null) return missing;
  }
  const why = details.slots.map(({ slot, opener, why }) => `slot ${slot} (${opener}): ${why}`).join("; ");
  return new HsmError("VAULT_NO_OPENER", "device", `nothing here opens ${facts.file}: ${why}`, {
    advice: "attach one of the tokens named, or give the recovery key or the passphrase of a slot",
    details,
    cause: first,
  });
}

/** Its own code and exit, so that a wrong PIN is a wrong PIN; and that other slots are no worse for it. */
function saidBy(error: HsmError, facts: UnlockFacts, details: Readonly<Record<string, unknown>>): HsmError {
  const { code, kind, message, advice, token, triesLeft, which } = error;
  const others =
    facts.slots.length > 1 ? `; ${facts.file} has ${facts.slots.length} slots, the others still open it` : "";
  return new HsmError(code, kind, message, {
    advice: advice === undefined ? others.slice(2) || undefined : `${advice}${others}`,
    token,
    triesLeft,
    which,
    details: { ...error.details, ...details },
    cause: error,
  });
}

function sharesMissing(facts: UnlockFacts, details: Readonly<Record<string, unknown>>): HsmError | null {
  const partly = facts.slots
    .map((slot) => ({ slot, here: presentLegs(slot, facts) }))
    .filter(({ slot, here }) => here.size > 0 && leavesOf(slot.holder).length > 1 && isUsable(slot, facts))
    .sort((a, b) => neededLegs(a.slot) - a.here.size - (neededLegs(b.slot) - b.here.size))[0];
  if (partly === undefined) return null;
  const { slot, here } = partly;
  const legs = leavesOf(slot.holder).map((leaf, leg) => ({ leg, title: leafTitle(leaf), source: here.get(leg) }));
  const present = legs.flatMap(({ source, title }) => (source === undefined ? [] : [`${title} (${source.title})`]));
  const absent = legs.flatMap(({ source, title }) => (source === undefined ? [title] : []));
  const lack = neededLegs(slot) - here.size;
  return new HsmError(
    "VAULT_SHARES_MISSING",
    "device",
    `slot ${slot.id} of ${facts.file} opens with ${neededLegs(slot)} of ${legs.length}, and ${here.size} ${here.size === 1 ? "is" : "are"} here: ${present.join(", ")}`,
    {
      advice: `attach or give ${lack === absent.length ? "" : `${lack} of: `}${absent.join(", ")}`,
      details: { ...details, slot: slot.id, present, absent, needed: neededLegs(slot) },
    },
  );
}

function presentLegs(slot: Slot, { candidates }: UnlockFacts): ReadonlyMap<number, KeySource> {
  return new Map(candidates.filter(({ ref }) => ref.slot === slot.id).map(({ ref, source }) => [ref.leg, source]));
}

function isUsable({ id }: Slot, { only, except }: UnlockFacts): boolean {
  return only?.includes(id) !== false && except?.includes(id) !== true;
}

function slotReport(slot: Slot, facts: UnlockFacts) {
  const opener = leavesOf(slot.holder).map(leafTitle).join(joint(slot));
  return { slot: slot.id, label: slot.label, opener, why: whyNot(slot, facts) };
}

function joint({ holder }: Slot): string {
  return holder.kind === "all-of" ? " and " : ", ";
}

function whyNot(slot: Slot, facts: UnlockFacts): string {
  if (!isUsable(slot, facts)) return "not to be used this time";
  const broken = facts.slotFailures.find((failure) => failure.slot.id === slot.id);
  if (broken !== undefined) return `${broken.sources.map(({ title }) => title).join(" and ")}: ${broken.error.message}`;
  const sources = new Set(facts.candidates.filter(({ ref }) => ref.slot === slot.id).map(({ source }) => source));
  const failed = facts.failures.find(({ source }) => sources.has(source));
  if (failed !== undefined) return `${failed.source.title}: ${failed.error.message}`;
  const present = presentLegs(slot, facts).size;
  if (present > 0 && present < neededLegs(slot)) return `only ${present} of ${neededLegs(slot)} here`;
  return present > 0 ? "the key could not be used" : "not here";
}

function deviceReports({ sources, candidates, failures, slotFailures }: UnlockFacts) {
  return sources.map((source) => {
    const failure =
      failures.find((one) => one.source === source) ?? slotFailures.find((one) => one.sources.includes(source));
    return {
      device: source.title,
      kind: source.kind,
      matches: candidates
        .filter((one) => one.source === source)
        .map(({ ref, how, note }) => ({ slot: ref.slot, leg: ref.leg, how, ...(note === undefined ? {} : { note }) })),
      failure: failure === undefined ? null : { code: failure.error.code, message: failure.error.message },
    };
  });
}
