import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { leavesOf, type Slot, type SlotHolder } from "../../../src/crypto/vault/leaf.ts";
import { leafFingerprint } from "../../../src/services/vault/leaf-key.ts";
import { vaultPolicy } from "../../../src/services/vault/policy.ts";
import { neededLegs } from "../../../src/services/vault/unlock/unlock-plan.ts";
import { type SoftwareKey, softwareKey } from "./software-keys.ts";

const [a, b, c] = ["A", "B", "C"].map((serial) => softwareKey("card-ec", serial)) as [
  SoftwareKey,
  SoftwareKey,
  SoftwareKey,
];
const fido = softwareKey("fido2");
const phrase = softwareKey("passphrase");
const paper = softwareKey("recovery");

const one = ({ leaf }: SoftwareKey): SlotHolder => ({ kind: "one", leaf });
const allOf = (...keys: readonly SoftwareKey[]): SlotHolder => ({ kind: "all-of", legs: keys.map(({ leaf }) => leaf) });
const threshold = (k: number, ...keys: readonly SoftwareKey[]): SlotHolder => ({
  kind: "threshold",
  k,
  legs: keys.map(({ leaf }) => leaf),
});

function policy(...holders: readonly SlotHolder[]) {
  return vaultPolicy(slots(holders));
}

function slots(holders: readonly SlotHolder[]): Slot[] {
  return holders.map((holder, i) => ({ id: i + 1, label: "", created: "2026-11-20T09:00:00Z", holder }));
}

function codes(...holders: readonly SlotHolder[]): string[] {
  return policy(...holders).warnings.map(({ code, slots }) => `${code} ${slots.join(",")}`);
}

describe("the policy in words", () => {
  test("says who opens the vault", () => {
    const { opensWith } = policy(one(a), one(paper), allOf(b, fido), threshold(2, a, c, phrase));
    expect(opensWith).toMatch(
      /^card A key vault alone; recovery key alone; card B key vault AND FIDO2 [0-9a-f]{8}; any 2 of \(card A key vault, card C key vault, passphrase\)$/,
    );
  });

  test("calls a slot by its label, and a card without hints by its key", () => {
    const [slot] = slots([one(fido)]);
    if (slot === undefined) throw new Error("there is one");
    expect(vaultPolicy([{ ...slot, label: "blue key" }]).opensWith).toMatch(/^FIDO2 [0-9a-f]{8} "blue key" alone$/);
    if (a.leaf.kind !== "card-ec") throw new Error("it is one");
    const anonymous = { ...a.leaf, card: {} };
    expect(policy({ kind: "one", leaf: anonymous }).opensWith).toMatch(/^a card \([0-9a-f]{8}\) alone$/);
  });
});

describe("warnings", () => {
  test("none for two openers and a recovery key", () => {
    expect(codes(one(a), one(fido), one(paper))).toEqual([]);
  });

  test("a slot that asks for more than another one is pointless", () => {
    expect(codes(one(a), allOf(a, fido), one(paper))).toContain("SLOT_POINTLESS 2,1");
    expect(codes(threshold(2, a, b, c), allOf(a, b), one(paper))).toContain("SLOT_POINTLESS 2,1");
    expect(codes(allOf(a, b), allOf(a, b, c), one(paper))).toContain("SLOT_POINTLESS 2,1");
  });

  test("of two that are the same the later one is", () => {
    const warnings = codes(one(a), one(a), one(paper));
    expect(warnings).toContain("SLOT_POINTLESS 2,1");
    expect(warnings).not.toContain("SLOT_POINTLESS 1,2");
  });

  test("a slot of which some need nobody else is weakened", () => {
    expect(codes(one(a), threshold(2, a, b, c), one(paper))).toContain("SLOT_WEAKENED 2,1");
  });

  test("one key alone is what the vault is worth, whatever else is asked for", () => {
    const { warnings } = policy(allOf(a, fido), one(phrase), one(paper));
    expect(warnings.map(({ code }) => code)).toEqual(["SINGLE_FACTOR", "SINGLE_FACTOR"]);
    expect(warnings.map(({ text }) => text)).toEqual([
      "slot 2 (passphrase alone) opens the vault alone: what slot 1 asks for protects no further",
      "the recovery key of slot 3 opens the vault alone, whatever slot 1 asks for: keep it locked away",
    ]);
  });

  test("no way back: one slot, no recovery key, one token in all", () => {
    expect(codes(one(a))).toEqual(["ONE_SLOT 1"]);
    expect(codes(one(a), one(fido))).toEqual(["NO_RECOVERY 1,2"]);
    const twin = softwareKey("card-rsa", "A");
    expect(codes(one(a), one(twin))).toEqual(["NO_RECOVERY 1,2", "ONE_TOKEN 1,2"]);
    expect(codes(one(a), one(twin), one(paper))).toEqual([]);
  });

  test("a slot is pointless exactly when every set of keys that opens it opens another", () => {
    const pool = [a, b, c, fido, phrase];
    const some = (min: number) => fc.uniqueArray(fc.constantFrom(...pool), { minLength: min, maxLength: 4 });
    const holder = fc.oneof(
      some(1).map((keys) => one(keys[0] as SoftwareKey)),
      some(2).map((keys) => allOf(...keys)),
      some(2).chain((keys) => fc.integer({ min: 2, max: keys.length }).map((k) => threshold(k, ...keys))),
    );
    const names = pool.map(({ leaf }) => leafFingerprint(leaf));
    const opens = (slot: Slot, set: number) =>
      leavesOf(slot.holder).filter((leaf) => set & (1 << names.indexOf(leafFingerprint(leaf)))).length >=
      neededLegs(slot);
    fc.assert(
      fc.property(fc.array(holder, { minLength: 1, maxLength: 4 }), (holders) => {
        const all = slots(holders);
        const sets = Array.from({ length: 1 << pool.length }, (_, set) => set);
        const covered = (slot: Slot, other: Slot) => sets.every((set) => !opens(slot, set) || opens(other, set));
        const expected = all.filter((slot) =>
          all.some((other) => other !== slot && covered(slot, other) && (other.id < slot.id || !covered(other, slot))),
        );
        const told = vaultPolicy(all).warnings.filter(({ code }) => code === "SLOT_POINTLESS");
        expect(told.map(({ slots }) => slots[0])).toEqual(expected.map(({ id }) => id));
      }),
    );
  });
});
