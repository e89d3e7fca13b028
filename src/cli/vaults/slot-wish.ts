import { limits } from "../../crypto/vault/names.ts";
import { usage } from "../failure.ts";

/** One key that is to open a vault, as the command line names it. */
export type LeafWish =
  /** `card:KEY`: label, id or key reference. */
  | { readonly kind: "card"; readonly key: string; readonly device: string | undefined }
  | { readonly kind: "fido"; readonly device: string | undefined }
  | { readonly kind: "passphrase" }
  | { readonly kind: "recovery" };

/** One slot: a single key, all of several, or any K of them. */
export type SlotWish =
  | { readonly kind: "one"; readonly leaf: LeafWish }
  | { readonly kind: "all-of"; readonly legs: readonly LeafWish[] }
  | { readonly kind: "threshold"; readonly k: number; readonly legs: readonly LeafWish[] };

const grammar = "card:KEY, fido, passphrase or recovery";
const devicePrefix = /^(?:sim|sim-fido|fido|pcsc|trace):/;

/**
 * @param text `card:backup`, `fido@sim-fido:two`, `all-of:card:a,fido`, `threshold:2:card:a,fido,recovery`
 * @param devices as `--device` names them: what stands behind the last `@` is one of them, or has a prefix of its own
 * @throws HsmError `SLOT_KIND_INVALID` (usage)
 */
export function parseSlotWish(text: string, devices: readonly string[]): SlotWish {
  if (text.startsWith("all-of:")) return parseAllOf(text.slice(7), devices);
  if (text.startsWith("threshold:")) return parseThreshold(text.slice(10), devices);
  return { kind: "one", leaf: parseLeafWish(text, devices) };
}

/** `card:a,fido`. */
export function parseAllOf(text: string, devices: readonly string[]): SlotWish {
  return { kind: "all-of", legs: parseLegs(text, devices) };
}

/** `2:card:a,fido,recovery`. */
export function parseThreshold(text: string, devices: readonly string[]): SlotWish {
  const [, count, rest] = /^(\d{1,2}):(.*)$/s.exec(text) ?? [];
  if (count === undefined || rest === undefined)
    throw invalid("how many are needed is missing", "2:card:a,card:b,fido");
  const legs = parseLegs(rest, devices);
  const k = Number(count);
  if (k < 2 || k > legs.length) {
    throw invalid(
      `${k} of ${legs.length} cannot be`,
      `K is a number from 2 to ${legs.length}; for 1 make a slot of each`,
    );
  }
  return k === legs.length ? { kind: "all-of", legs } : { kind: "threshold", k, legs };
}

function parseLegs(text: string, devices: readonly string[]): LeafWish[] {
  const legs = splitKinds(text).map((leg) => parseLeafWish(leg, devices));
  if (legs.length >= limits.legsMin && legs.length <= limits.legsMax) return legs;
  throw invalid(
    `${legs.length} together cannot be`,
    `${limits.legsMin} to ${limits.legsMax} keys make a slot together`,
  );
}

/** A comma separates kinds; inside the name of a key it stays. */
function splitKinds(text: string): string[] {
  const parts: string[] = [];
  for (const part of text.split(",")) {
    const last = parts.at(-1);
    const begins = /^(?:card:|fido(?:$|@)|passphrase$|recovery$)/.test(part.trim());
    if (begins || last === undefined) parts.push(part.trim());
    else parts[parts.length - 1] = `${last},${part}`;
  }
  return parts;
}

function parseLeafWish(text: string, devices: readonly string[]): LeafWish {
  const [word, device] = splitDevice(text, devices);
  if (word === "passphrase" || word === "recovery") {
    if (device === undefined) return { kind: word };
    throw invalid(`a ${word} is on no device`, grammar);
  }
  if (word === "fido") return { kind: "fido", device };
  const key = word.startsWith("card:") ? word.slice(5) : "";
  if (key !== "") return { kind: "card", key, device };
  throw invalid(word.startsWith("card:") ? "the name of the key is missing" : "that is no kind of slot", grammar);
}

function splitDevice(text: string, devices: readonly string[]): [word: string, device: string | undefined] {
  const at = text.lastIndexOf("@");
  const device = at < 0 ? "" : text.slice(at + 1);
  return devicePrefix.test(device) || devices.includes(device) ? [text.slice(0, at), device] : [text, undefined];
}

function invalid(problem: string, advice: string): Error {
  return usage("SLOT_KIND_INVALID", `the kind of the slot: ${problem}`, `give ${advice}`);
}
