import type { DeviceReport } from "../device-report.ts";
import { explain } from "../explain.ts";
import type { DoctorFinding } from "./doctor.ts";

/** Judgements of what the command found, apart from finding it: the probes of `doctor` are made of these. */

const oldestNode = [20, 19] as const;

/** @param version as `process.versions.node` has it: `20.19.0` */
export function nodeFinding(version: string, platform: string): DoctorFinding {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  const facts = { version, platform };
  const [wantedMajor, wantedMinor] = oldestNode;
  const enough = major > wantedMajor || (major === wantedMajor && minor >= wantedMinor);
  return enough ? { facts } : { facts, fault: "NODE_TOO_OLD", detail: version };
}

export interface ListedReader {
  readonly name: string;
  readonly state: string;
}

/** A program on this machine that has to do with cards: it has the PC/SC library loaded, or is known for its own driver. */
export interface CardUser {
  readonly pid: number;
  /** As the system calls it: `scdaemon`. */
  readonly name: string;
}

export function readersFinding(readers: readonly ListedReader[], users: () => readonly CardUser[]): DoctorFinding {
  const facts = { readers: readers.map(({ name, state }) => `${name} (${state})`) };
  if (readers.length > 0) return { facts };
  // Without `disable-ccid` it drives USB readers itself, and pcscd cannot have them at the same time.
  const scdaemon = users().filter(({ name }) => name === "scdaemon");
  const notes = scdaemon.map(
    ({ pid }) => `scdaemon of GnuPG runs (process ${pid}) and may hold the reader itself: \`gpgconf --kill scdaemon\``,
  );
  return { facts, fault: "NO_READER", notes };
}

export function cardFinding(readers: readonly ListedReader[], users: () => readonly CardUser[]): DoctorFinding {
  const cards = readers.filter(({ state }) => state !== "empty");
  const facts = { cards: cards.map(({ name, state }) => `${name} (${state})`) };
  if (cards.length === 0) return { facts, fault: "NO_CARD" };
  if (cards.every(({ state }) => state === "mute")) return { facts, fault: "CARD_MUTE" };
  const held = cards.filter(({ state }) => state === "in-use");
  const notes = held.map(({ name }) => `the card in "${name}" is held by another program for itself alone`);
  return { facts, notes: held.length === 0 ? [] : [...notes, ...holders(users())] };
}

/** Who may hold a card: PC/SC itself does not tell. */
export function holders(users: readonly CardUser[]): string[] {
  if (users.length === 0) return [];
  const list = users.map(({ pid, name }) => `${name} (process ${pid})`).join(", ");
  return [`programs here that use PC/SC now, one of them may be the holder: ${list}`];
}

/** @param known what the driver recognises in the ATR, `null` for a stranger: no fault, SELECT decides */
export function atrFinding(atr: string, known: string | null): DoctorFinding {
  return known === null
    ? { facts: { atr }, notes: ["this ATR is none that we know of a SmartCard-HSM: the answer to SELECT decides"] }
    : { facts: { atr, card: known } };
}

export interface SelectedApplication {
  readonly version: { readonly major: number; readonly minor: number };
  readonly platform: string | number;
  readonly optionNames: readonly string[];
}

export function selectFinding({ version, platform, optionNames }: SelectedApplication): DoctorFinding {
  return { facts: { version: `${version.major}.${version.minor}`, platform, options: optionNames } };
}

/** Whether a command with extended length came through, and how long the answer to it was. */
export interface ExtendedLengthTry {
  /** `null`: it came through. */
  readonly refusedBy: "card" | "reader" | null;
  /** Bytes of data in the longest answer. */
  readonly longestAnswer: number;
  /** What was answered or went wrong instead, for the curious. */
  readonly detail: string | null;
}

const withoutExtended =
  "RSA keys of 2048 bits and more cannot be used through it, and everything long takes more exchanges; another reader, or the token's own USB connector, does it";

/** No fault: what needs no long messages works, and the driver sends short ones from then on. */
export function extendedFinding({ refusedBy, longestAnswer, detail }: ExtendedLengthTry): DoctorFinding {
  if (refusedBy === null) {
    const proved = longestAnswer > 256;
    return {
      facts: { "extended length": true, "longest answer": `${longestAnswer} bytes` },
      notes: proved ? [] : ["the answer was short, so long answers are not proved by it"],
    };
  }
  const facts = { "extended length": false, "refused by": refusedBy, answer: detail ?? "none" };
  const who = refusedBy === "card" ? "this card" : "this reader, or its driver,";
  return { facts, notes: [`${who} does not take commands of extended length: ${withoutExtended}`] };
}

export function identityFinding(report: DeviceReport): DoctorFinding {
  const { serial, maker, chain, simulated } = report;
  const certificate = chain.status === "verified" ? `verified (${chain.root})` : `${chain.status} (${chain.reason})`;
  return { facts: { serial, maker, certificate, simulated } };
}

/** A blocked PIN is no fault of the installation: it is told as a note, and the dead ends with it. */
export function pinsFinding(report: DeviceReport): DoctorFinding {
  const { state, userPin, soPin } = report;
  const pin = ({ state: name, triesLeft, sw }: DeviceReport["userPin"]): string =>
    `${name}${triesLeft === null ? "" : `, ${triesLeft} left`} (SW ${sw})`;
  const facts = { state, "user PIN": pin(userPin), "SO-PIN": pin(soPin) };
  return state === "unreadable" ? { facts, fault: "PINS_UNREADABLE" } : { facts, notes: explain(report) };
}
