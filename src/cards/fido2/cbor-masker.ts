import { utf8Text } from "../../bytes/bytes.ts";

/**
 * What of a CBOR item must not be written down. `open`: all may be seen. `hidden`: the content of a byte string is
 * covered, its length stays. `secret`: every byte is covered. `auth-data`: a byte string of authenticator data.
 */
export type MaskRule = "open" | "hidden" | "secret" | "auth-data" | MapRule;

/** Rules for the values of a map, by key. */
export interface MapRule {
  readonly keys: Readonly<Record<string, MaskRule>>;
  /** For keys that are not listed. */
  readonly others: "open" | "secret";
}

/** Yields whether the next byte is secret, and is given that byte. */
type Masking = Generator<boolean, void, number>;

/**
 * Judges the bytes of one CBOR item as they come, in parts of any length: a recorder has to write the first APDU of a
 * chain before the second is known. What it cannot follow is secret to the end.
 */
export class CborMasker {
  #masking: Masking | undefined;
  /** Whether the next byte is secret. */
  #next: boolean;

  constructor(rule: MaskRule) {
    this.#masking = item(rule, 0);
    this.#next = this.#masking.next().value ?? true;
  }

  /** @returns whether this byte is secret */
  feed(byte: number): boolean {
    const secret = this.#next;
    this.#next = true;
    try {
      const step = this.#masking?.next(byte);
      if (step === undefined || step.done === true) this.#masking = undefined;
      else this.#next = step.value;
    } catch {
      this.#masking = undefined;
    }
    return secret;
  }
}

const deepest = 8;
/** Longer texts are no key of a rule. */
const longestKey = 64;

function* item(rule: MaskRule, depth: number): Masking {
  const { major, argument } = yield* head(rule === "secret");
  if (depth > deepest) throw new Error("nested too deeply");
  switch (major) {
    case 2:
      if (rule === "auth-data") return yield* bounded(authData(depth), argument);
      return yield* bytes(argument, rule !== "open");
    case 3:
      return yield* bytes(argument, rule !== "open");
    case 4:
      for (let i = 0; i < argument; i++) yield* item(childless(rule), depth + 1);
      return;
    case 5:
      for (let i = 0; i < argument; i++) yield* entry(rule, depth + 1);
      return;
    case 6:
      return yield* item(childless(rule), depth + 1);
    default:
      return;
  }
}

/** A list, or anything else, where a rule speaks of a map or of bytes: covered whole. */
function childless(rule: MaskRule): MaskRule {
  return rule === "open" ? "open" : "secret";
}

function* entry(rule: MaskRule, depth: number): Masking {
  if (typeof rule !== "object") {
    yield* item(childless(rule), depth);
    yield* item(childless(rule), depth);
    return;
  }
  const { major, argument } = yield* head(false);
  let key: string | null = null;
  if (major === 0) key = String(argument);
  else if (major === 1) key = String(-1 - argument);
  else if (major === 3 && argument <= longestKey) {
    const text = new Uint8Array(argument);
    for (let i = 0; i < argument; i++) text[i] = yield false;
    key = utf8Text(text);
  } else throw new Error("a key that is neither integer nor text");
  yield* item(key !== null && Object.hasOwn(rule.keys, key) ? (rule.keys[key] ?? "secret") : rule.others, depth);
}

function* head(secret: boolean): Generator<boolean, { readonly major: number; readonly argument: number }, number> {
  const first = yield secret;
  const extra = first & 0x1f;
  if (extra >= 28) throw new Error("no definite length");
  let argument = extra < 24 ? extra : 0;
  for (let i = extra < 24 ? 0 : 2 ** (extra - 24); i > 0; i--) argument = argument * 256 + (yield secret);
  return { major: first >> 5, argument };
}

function* bytes(length: number, secret: boolean): Masking {
  for (let i = 0; i < length; i++) yield secret;
}

/** Hands on `length` bytes and no more; those that `inner` did not want are secret. */
function* bounded(inner: Masking, length: number): Masking {
  let step = inner.next();
  for (let i = 0; i < length; i++) {
    const byte = yield step.done === true ? true : step.value;
    if (step.done !== true) step = inner.next(byte);
  }
}

/** The outputs of hmac-secret are encrypted, and covered all the same. */
const extensionRule: MapRule = {
  keys: { "hmac-secret": "hidden", "hmac-secret-mc": "hidden", credProtect: "open", minPinLength: "open" },
  others: "secret",
};
const flag = { attested: 0x40, extensions: 0x80 } as const;

function* authData(depth: number): Masking {
  yield* bytes(32, false);
  const flags = yield false;
  yield* bytes(4, false);
  if ((flags & flag.attested) !== 0) {
    yield* bytes(16, false);
    const idLength = (yield false) * 256 + (yield false);
    yield* bytes(idLength, false);
    yield* item("open", depth + 1);
  }
  if ((flags & flag.extensions) !== 0) yield* item(extensionRule, depth + 1);
}
