import { createHash } from "node:crypto";
import { utf8Bytes, utf8Text } from "../../bytes/bytes.ts";
import { toHex } from "../../bytes/hex.ts";
import { HsmError } from "../../errors.ts";
import { canonicalJson, type Json } from "./canonical-json.ts";
import { type CeremonyClosing, type CeremonyEntry, type CeremonyOpening, isEntry } from "./ceremony-entry.ts";

/** A record whose lines follow each other. */
export interface CeremonyRecord {
  readonly opening: CeremonyOpening;
  readonly entries: readonly CeremonyEntry[];
  /** Hash of the last entry. */
  readonly head: string;
  /** `null`: it is open, and what was cut off at its end nobody can tell from it alone. */
  readonly closing: CeremonyClosing | null;
}

/** Stands where the first entry has no other before it. */
export const noPrevious = "0".repeat(64);
/** Before everything that is hashed or signed, so that it is nothing else at the same time. */
const domain = "hsmadm ceremony record 1";

type Unlinked<Entry> = Entry extends CeremonyEntry ? Omit<Entry, "hash"> : never;

/** The hash of an entry: over its content and, by `previous`, over everything before it. */
export function entryHash(entry: Unlinked<CeremonyEntry> | Omit<CeremonyClosing, "hash" | "signature">): string {
  const { hash: _hash, signature: _signature, ...content } = entry as unknown as Record<string, Json>;
  return toHex(
    createHash("sha256")
      .update(`${domain}\nentry\n${canonicalJson(content)}`)
      .digest(),
  ).toLowerCase();
}

/** The line of an entry, with its end. */
export function entryLine(entry: CeremonyEntry): string {
  return `${canonicalJson(entry as unknown as Json)}\n`;
}

/** What the key on the token signs: the hash of the closing entry, and by it the whole record. */
export function closingMessage(hash: string): Uint8Array {
  return utf8Bytes(`${domain}\nclosing\n${hash}\n`);
}

/**
 * Reads a record and checks that every line is whole, unchanged and in its place. The signature is not checked here.
 * @throws HsmError (check-failed) `CEREMONY_INVALID`, `CEREMONY_TRUNCATED`, `CEREMONY_LINE_CHANGED`, `CEREMONY_LINE_REMOVED`,
 *   `CEREMONY_LINE_ADDED`, `CEREMONY_REORDERED`, `CEREMONY_EXCHANGED`
 */
export function readRecord(bytes: Uint8Array): CeremonyRecord {
  const entries = linesIn(bytes).map(entryIn);
  const sequences = entries.map(({ sequence }) => sequence);
  let previous = noPrevious;
  for (const [i, entry] of entries.entries()) {
    if (entryHash(entry) !== entry.hash) throw broken("CEREMONY_LINE_CHANGED", `line ${i + 1} was changed`);
    if (entries[i - 1]?.kind === "closing") {
      throw broken("CEREMONY_LINE_ADDED", `line ${i + 1} stands behind the closing signature`);
    }
    if (entry.sequence !== i) throw outOfPlace(sequences, i);
    if (entry.previous !== previous) {
      throw broken("CEREMONY_EXCHANGED", `line ${i + 1} does not belong behind the line before it: one was exchanged`);
    }
    if ((entry.kind === "opening") !== (i === 0)) throw invalid(`line ${i + 1} is of a kind that does not stand there`);
    previous = entry.hash;
  }
  const [opening] = entries;
  const last = entries.at(-1);
  if (opening?.kind !== "opening") throw invalid("it does not begin with an opening line");
  return { opening, entries, head: previous, closing: last?.kind === "closing" ? last : null };
}

function linesIn(bytes: Uint8Array): string[] {
  const text = utf8Text(bytes);
  if (text === null) throw invalid("it is not UTF-8");
  if (text === "") throw broken("CEREMONY_TRUNCATED", "it is empty");
  if (!text.endsWith("\n")) throw broken("CEREMONY_TRUNCATED", "its last line has no end: it was cut off there");
  return text.slice(0, -1).split("\n");
}

function entryIn(line: string, index: number): CeremonyEntry {
  let json: Json;
  try {
    json = JSON.parse(line) as Json;
  } catch {
    throw invalid(`line ${index + 1} is no JSON`);
  }
  if (!isEntry(json)) throw invalid(`line ${index + 1} is no entry of a ceremony record of version 1`);
  // Else a line could be spelt in two ways with one hash.
  if (canonicalJson(json) !== line)
    throw broken("CEREMONY_LINE_CHANGED", `line ${index + 1} is not written as hsmadm writes`);
  return json;
}

/** Which of the ways a line can be where it does not belong. */
function outOfPlace(sequences: readonly number[], at: number): HsmError {
  const found = sequences[at] ?? 0;
  if (found < at) {
    return broken("CEREMONY_LINE_ADDED", `line ${at + 1} is entry ${found}, which stands before it already`);
  }
  const comesLater = sequences.indexOf(at, at);
  if (comesLater >= 0) {
    return broken("CEREMONY_REORDERED", `entry ${at} stands in line ${comesLater + 1}, behind entry ${found}`);
  }
  const gone = found - at === 1 ? `entry ${at} is missing` : `entries ${at} to ${found - 1} are missing`;
  return broken("CEREMONY_LINE_REMOVED", `${gone} before line ${at + 1}`);
}

function invalid(problem: string): HsmError {
  return broken("CEREMONY_INVALID", problem);
}

export function broken(code: string, problem: string): HsmError {
  return new HsmError(code, "check-failed", `the ceremony record does not hold: ${problem}`, {
    advice: "compare it with the copies and the printed pages; nothing below the broken place is proved",
  });
}
