import fc from "fast-check";
import { expect, test } from "vitest";
import { equal } from "../../../src/bytes/bytes.ts";
import type { Stanza } from "../../../src/crypto/age/stanza.ts";
import type { LeafKey, LeafKind } from "../../../src/crypto/vault/leaf.ts";
import { openSlot } from "../../../src/crypto/vault/open-slot.ts";
import { readVaultStanzas } from "../../../src/crypto/vault/vault-header.ts";
import { HsmError } from "../../../src/errors.ts";
import { flipped, refusalOf } from "../refusal.ts";
import { curves, leafKinds, repeatable, softwareEc, softwareKey } from "./support/software-keys.ts";
import {
  genuine,
  headerBytes,
  type OwnedSlot,
  ofKinds,
  opened,
  owned,
  stanzasFor,
  testFileKey,
} from "./support/vaults.ts";

test.each(leafKinds)("a %s slot opens with its key and with no other", async (kind) => {
  const slot = ofKinds(1, [kind]);
  const stanzas = await stanzasFor([slot]);
  expect(await opened(stanzas, slot)).toEqual(testFileKey);
  const stranger = kind === "card-rsa" ? softwareKey(kind, repeatable("x"), 1) : softwareKey(kind, repeatable("x"));
  const refused = await refusalOf(opened(stanzas, { ...slot, owners: [stranger] }));
  expect(refused).toMatchObject({
    code: "VAULT_SLOT_KEY_WRONG",
    kind: kind === "passphrase" ? "authentication" : "check-failed",
  });
});

test.each(curves)("a card's key on %s", async (curve) => {
  const slot = owned(3, [softwareEc(curve, repeatable(curve))]);
  const stanzas = await stanzasFor([slot]);
  expect(stanzas.map(({ type }) => type)).toEqual([
    "hsmadm/slot",
    "hsmadm/slot",
    curve === "secp256r1" ? "p256tag" : "hsmadm/ecdh",
  ]);
  expect(await opened(stanzas, slot)).toEqual(testFileKey);
});

test("a FIDO2 secret of the wrong kind of verification: told what to do, before anything is decrypted", async () => {
  const slot = ofKinds(1, ["fido2"]);
  const stanzas = await stanzasFor([slot]);
  const other = softwareKey("fido2", repeatable("without uv"));
  const refused = await refusalOf(opened(stanzas, { ...slot, owners: [other] }));
  expect(refused.advice).toContain("enrolled with user verification");
});

test("a key of another primitive is the program's mistake", async () => {
  const slot = ofKinds(1, ["card-ec"]);
  const stanzas = await stanzasFor([slot]);
  const refused = await refusalOf(opened(stanzas, { ...slot, owners: [softwareKey("recovery", repeatable("x"))] }));
  expect(refused.code).toBe("VAULT_LEAF_KEY");
});

test("all-of: every leg is needed, and nobody is asked while one is missing", async () => {
  const slot = ofKinds(2, leafKinds);
  const stanzas = await stanzasFor([slot]);
  expect(await opened(stanzas, slot)).toEqual(testFileKey);
  for (const missing of leafKinds.keys()) {
    const before = slot.owners.map(({ used }) => used());
    const refused = await refusalOf(opened(stanzas, slot, (leg) => leg !== missing));
    expect(refused).toMatchObject({ code: "VAULT_SHARES_MISSING", kind: "device" });
    expect(refused.details).toEqual({ slot: 2, have: 5, needed: 6, missing: [missing] });
    expect(slot.owners.map(({ used }) => used())).toEqual(before);
  }
});

test("all-of: one wrong key among the right ones", async () => {
  const slot = ofKinds(2, ["card-ec", "card-rsa", "fido2"]);
  const stanzas = await stanzasFor([slot]);
  for (const [i, kind] of (["card-ec", "card-rsa", "fido2"] as const).entries()) {
    const owners = slot.owners.with(i, softwareKey(kind, repeatable("stranger"), kind === "card-rsa" ? 2 : i));
    expect((await refusalOf(opened(stanzas, { ...slot, owners }))).code).toBe("VAULT_SLOT_KEY_WRONG");
  }
});

test("threshold: any k, in any combination, and not one more than k is asked", async () => {
  const slot = ofKinds(5, ["card-ec", "card-ec", "card-rsa", "card-ec"], "any 2 of 4", 2);
  const stanzas = await stanzasFor([slot]);
  for (let present = 0; present < 16; present++) {
    const there = (leg: number) => ((present >> leg) & 1) === 1;
    const count = [0, 1, 2, 3].filter(there).length;
    const before = slot.owners.map(({ used }) => used()).reduce((a, b) => a + b);
    if (count >= 2) expect(await opened(stanzas, slot, there)).toEqual(testFileKey);
    else expect((await refusalOf(opened(stanzas, slot, there))).code).toBe("VAULT_SHARES_MISSING");
    const asked = slot.owners.map(({ used }) => used()).reduce((a, b) => a + b) - before;
    expect(asked).toBe(count >= 2 ? 2 : 0);
  }
});

test("threshold: an owner that fails is passed over while enough others are there", async () => {
  const slot = ofKinds(5, ["card-ec", "card-ec", "card-ec"], "2 of 3", 2);
  const stanzas = await stanzasFor([slot]);
  const own = readVaultStanzas(stanzas).slotStanzas.get(5) ?? [];
  const failing = (kind: "device" | "cancelled"): LeafKey => ({
    primitive: "ecdh",
    agree: async () => {
      throw new HsmError("PULLED", kind, "the token is gone");
    },
  });
  const keys = (first: LeafKey, third: boolean) => (_: unknown, leg: number) =>
    leg === 0 ? first : leg === 1 || third ? slot.owners[leg]?.key : undefined;
  expect(await openSlot(slot.slot, own, keys(failing("device"), true))).toEqual(testFileKey);
  expect((await refusalOf(openSlot(slot.slot, own, keys(failing("device"), false)))).code).toBe("PULLED");
  expect((await refusalOf(openSlot(slot.slot, own, keys(failing("cancelled"), true)))).code).toBe("PULLED");
});

test("threshold: a share out of another vault with the same keys is found out", async () => {
  const slot = ofKinds(5, ["card-ec", "fido2", "recovery"], "2 of 3", 2);
  const mine = await stanzasFor([slot], repeatable("mine"));
  const theirs = await stanzasFor([slot], repeatable("theirs"));
  // The first share stands behind the two descriptors.
  const mixed = mine.with(2, theirs[2] as Stanza);
  const refused = await refusalOf(opened(mixed, slot, (leg) => leg < 2));
  expect(refused.code).toBe("VAULT_SLOT_KEY_WRONG");
  expect(await opened(mixed, slot, (leg) => leg > 0)).toEqual(testFileKey);
  expect(genuine(headerBytes(mixed), testFileKey)).toBe(true);
});

test.each(["and", "sss"] as const)("%s: a leg's stanza moved to another place, slot or threshold", async (scheme) => {
  const kinds: LeafKind[] = ["fido2", "recovery", "passphrase"];
  const k = scheme === "sss" ? 2 : undefined;
  const here = ofKinds(5, kinds, "same keys", k);
  const there = ofKinds(6, kinds, "same keys", k);
  const fromOther = (await stanzasFor([there]))[2] as Stanza;
  const stanzas = await stanzasFor([here]);
  const renumbered = { ...fromOther, args: ["1", "5", ...fromOther.args.slice(2)] };
  const owners = scheme === "sss" ? (leg: number) => leg < 2 : () => true;
  expect((await refusalOf(opened(stanzas.with(2, renumbered), here, owners))).code).toBe("VAULT_SLOT_KEY_WRONG");
  expect((await refusalOf((async () => opened(stanzas.with(2, fromOther), here))())).code).toBe("VAULT_HEADER_INVALID");
});

const anySlot: fc.Arbitrary<OwnedSlot> = fc
  .record({
    kinds: fc.array(fc.constantFrom<LeafKind>("card-ec", "card-aes", "fido2", "passphrase", "recovery"), {
      minLength: 1,
      maxLength: 5,
    }),
    threshold: fc.boolean(),
    k: fc.nat(),
    seed: fc.string(),
  })
  .map(({ kinds, threshold, k, seed }) =>
    ofKinds(9, kinds, seed, threshold && kinds.length > 1 ? 2 + (k % (kinds.length - 1)) : undefined),
  );

test("opens exactly when the policy says so, whoever is there", async () => {
  await fc.assert(
    fc.asyncProperty(anySlot, fc.array(fc.boolean(), { minLength: 5, maxLength: 5 }), async (slot, there) => {
      const { holder } = slot.slot;
      const present = slot.owners.filter((_, leg) => there[leg]).length;
      const wanted = holder.kind === "threshold" ? holder.k : slot.owners.length;
      const stanzas = await stanzasFor([slot]);
      const outcome = opened(stanzas, slot, (leg) => there[leg] === true);
      if (present >= wanted) expect(await outcome).toEqual(testFileKey);
      else expect((await refusalOf(outcome)).code).toBe("VAULT_SHARES_MISSING");
    }),
    { numRuns: 40 },
  );
});

test("a flipped bit anywhere in a slot's stanzas: an error, or the MAC tells; never another file key", async () => {
  const slots = [
    ofKinds(1, ["card-ec"]),
    ofKinds(2, ["card-aes"]),
    ofKinds(3, ["fido2", "recovery"]),
    ofKinds(4, ["passphrase", "card-ec"], "t", 2),
  ];
  const stanzas = await stanzasFor(slots);
  const whole = stanzas.map((stanza) => stanza.body.length);
  await fc.assert(
    fc.asyncProperty(fc.nat(whole.length - 1), fc.nat(), fc.nat(7), async (at, index, bit) => {
      const stanza = stanzas[at] as Stanza;
      if (stanza.body.length === 0) return;
      const changed = stanzas.with(at, { ...stanza, body: flipped(stanza.body, index % stanza.body.length, bit) });
      for (const slot of slots) {
        const outcome = await (async () => opened(changed, slot))().catch((error: unknown) => error);
        if (outcome instanceof Uint8Array) expect(equal(outcome, testFileKey)).toBe(true);
        else expect(outcome).toBeInstanceOf(HsmError);
      }
    }),
    { numRuns: 60 },
  );
});
