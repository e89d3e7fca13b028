import { equal } from "../../bytes/bytes.ts";

export interface ReaderInfo {
  readonly name: string;
  /**
   * - `empty`: no card
   * - `present`: a card, which other programs may use too
   * - `mute`: a card that does not answer to power
   * - `in-use`: a card that another connection holds exclusively
   */
  readonly state: "empty" | "present" | "mute" | "in-use";
  /** Answer to reset of the card that is there; `null` also when the binding does not tell before a connection (pcsc-mini). */
  readonly atr: Uint8Array | null;
}

export type ReaderEvent =
  | {
      readonly change: "reader-added" | "reader-gone" | "card-inserted" | "card-removed" | "card-mute";
      readonly reader: ReaderInfo;
    }
  | { readonly change: "service-stopped" | "service-started" };

/** PC/SC's reader state bits (`SCARD_STATE_…`). */
const bits = { present: 0x20, exclusive: 0x80, mute: 0x200 } as const;

/** A reader as PC/SC describes it: state bits (the upper half counts events) and ATR. */
export function readerInfo(name: string, state: number, atr: Uint8Array | null | undefined): ReaderInfo {
  if ((state & bits.present) === 0) return { name, state: "empty", atr: null };
  const known = atr !== undefined && atr !== null && atr.length > 0 ? new Uint8Array(atr) : null;
  if ((state & bits.mute) !== 0) return { name, state: "mute", atr: known };
  return { name, state: (state & bits.exclusive) !== 0 ? "in-use" : "present", atr: known };
}

/** What happened between two lists of readers, in an order that makes sense: gone, added, then cards. */
export function readerChanges(before: readonly ReaderInfo[], after: readonly ReaderInfo[]): ReaderEvent[] {
  const events: ReaderEvent[] = [];
  const was = new Map(before.map((reader) => [reader.name, reader]));
  const is = new Set(after.map((reader) => reader.name));
  for (const reader of before) {
    if (is.has(reader.name)) continue;
    if (reader.state !== "empty") events.push({ change: "card-removed", reader });
    events.push({ change: "reader-gone", reader });
  }
  for (const reader of after) if (!was.has(reader.name)) events.push({ change: "reader-added", reader });
  for (const reader of after) {
    const old = was.get(reader.name);
    const hadCard = old !== undefined && old.state !== "empty";
    const hasCard = reader.state !== "empty";
    if (hadCard && hasCard && sameCard(old, reader)) continue;
    if (hadCard) events.push({ change: "card-removed", reader });
    if (hasCard) events.push({ change: reader.state === "mute" ? "card-mute" : "card-inserted", reader });
  }
  return events;
}

function sameCard(old: ReaderInfo, now: ReaderInfo): boolean {
  if ((old.state === "mute") !== (now.state === "mute")) return false;
  return old.atr === null || now.atr === null || equal(old.atr, now.atr);
}
