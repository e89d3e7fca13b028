import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Stanza } from "../../../src/crypto/age/stanza.ts";
import { leavesOf, type Slot, type SlotHolder } from "../../../src/crypto/vault/leaf.ts";
import { readVaultStanzas, vaultStanzas } from "../../../src/crypto/vault/vault-header.ts";
import { HsmError } from "../../../src/errors.ts";
import type { KeySource } from "../../../src/services/vault/key-source.ts";
import { unlock } from "../../../src/services/vault/unlock/unlock.ts";
import { neededLegs } from "../../../src/services/vault/unlock/unlock-plan.ts";
import { leafKinds, type SoftwareKey, softwareKey, softwareSource } from "./software-keys.ts";

const fileKey = new Uint8Array(16).fill(7);

async function locked(...holders: readonly SlotHolder[]) {
  const slots = holders.map((holder, i): Slot => ({ id: i + 1, label: "", created: "2026-11-20T09:00:00Z", holder }));
  const header = {
    vaultId: "v1-aaaaaaaaaaaaaaaaaaaaaaaaaa",
    generation: 1,
    nextSlot: slots.length + 1,
    fileRecipient: new Uint8Array(32).fill(9),
    slots,
  };
  const { slotStanzas } = readVaultStanzas(await vaultStanzas(header, fileKey));
  return { file: "v.age", slots, stanzas: slotStanzas as ReadonlyMap<number, readonly Stanza[]> };
}

const one = ({ leaf }: SoftwareKey): SlotHolder => ({ kind: "one", leaf });
const allOf = (...keys: readonly SoftwareKey[]): SlotHolder => ({ kind: "all-of", legs: keys.map(({ leaf }) => leaf) });
const threshold = (k: number, ...keys: readonly SoftwareKey[]): SlotHolder => ({
  kind: "threshold",
  k,
  legs: keys.map(({ leaf }) => leaf),
});

const cardA = softwareKey("card-ec", "A");
const cardB = softwareKey("card-rsa", "B");
const cardC = softwareKey("card-ec-brainpool", "C");
const fido = softwareKey("fido2");
const phrase = softwareKey("passphrase");
const paper = softwareKey("recovery");

function failure(code: string, kind: ConstructorParameters<typeof HsmError>[1], triesLeft?: number): HsmError {
  return new HsmError(code, kind, `${code} happened`, { triesLeft, token: "A", advice: "look" });
}

async function refused(request: Parameters<typeof unlock>[0]): Promise<HsmError> {
  try {
    await unlock(request);
  } catch (error) {
    if (error instanceof HsmError) return error;
    throw error;
  }
  throw new Error("it opened");
}

describe("the order", () => {
  test("everybody looks first; then cards, FIDO2, passphrase, recovery, and it stops at the first that opens", async () => {
    const vault = await locked(one(paper), one(phrase), one(fido), one(cardA));
    const sources = [
      softwareSource([paper]),
      softwareSource([phrase]),
      softwareSource([fido]),
      softwareSource([cardA]),
    ];
    const opened = await unlock({ ...vault, sources });
    expect(opened.slot.id).toBe(4);
    expect(opened.fileKey).toEqual(fileKey);
    expect(sources.map(({ looked }) => looked)).toEqual([1, 1, 1, 1]);
    expect(sources.map(({ asked }) => asked)).toEqual([[], [], [], [[4]]]);
  });

  test("what is certainly here goes before what only asking would tell", async () => {
    const vault = await locked(one(fido), one(paper));
    const unsure = softwareSource([fido], { how: "possible" });
    const sure = softwareSource([paper]);
    expect((await unlock({ ...vault, sources: [unsure, sure] })).slot.id).toBe(2);
    expect(unsure.asked).toEqual([]);
  });

  test("all that one device can do comes before the next device is asked", async () => {
    // With the first card alone slot 3 opens; slot 1 would take a second one.
    const vault = await locked(allOf(cardA, cardB), one(cardB), one(cardA));
    const [a, b] = [softwareSource([cardA]), softwareSource([cardB])];
    expect((await unlock({ ...vault, sources: [a, b] })).slot.id).toBe(3);
    expect(b.asked).toEqual([]);
  });

  test("of two slots that wait for the same device the one that needs less is tried", async () => {
    const vault = await locked(allOf(cardA, cardB), one(cardB));
    const [a, b] = [softwareSource([cardA]), softwareSource([cardB])];
    expect((await unlock({ ...vault, sources: [a, b] })).slot.id).toBe(2);
    expect(a.asked).toEqual([]);
    const cardsFirst = await locked(one(fido), allOf(cardA, cardB));
    const f = softwareSource([fido]);
    expect((await unlock({ ...cardsFirst, sources: [f, a, b] })).slot.id).toBe(2);
    expect(f.asked).toEqual([]);
  });

  test("two tokens with the same key: either opens, and only one is asked", async () => {
    const vault = await locked(one(cardA));
    const [a, clone] = [softwareSource([cardA], { title: "A" }), softwareSource([cardA], { title: "clone" })];
    expect((await unlock({ ...vault, sources: [a, clone] })).by).toEqual([a]);
    expect(clone.asked).toEqual([]);
    const pulled = softwareSource([cardA], { title: "A", keysError: failure("CARD_REMOVED", "device") });
    expect((await unlock({ ...vault, sources: [pulled, clone] })).by).toEqual([clone]);
  });

  test("nobody is asked who cannot complete a slot", async () => {
    const vault = await locked(allOf(cardA, fido), threshold(2, cardA, cardB, cardC));
    const source = softwareSource([cardA]);
    await refused({ ...vault, sources: [source] });
    expect(source.asked).toEqual([]);
  });

  test("only slots that may be used are", async () => {
    const vault = await locked(one(cardA), one(paper));
    const sources = [softwareSource([cardA]), softwareSource([paper])];
    expect((await unlock({ ...vault, sources, except: [1] })).slot.id).toBe(2);
    expect((await unlock({ ...vault, sources, only: [2] })).slot.id).toBe(2);
    const error = await refused({ ...vault, sources: [softwareSource([cardA])], except: [1] });
    expect(error.message).toContain("slot 1 (card A key vault): not to be used this time");
  });
});

describe("several sources complete a slot", () => {
  test("all-of, each asked once for its leg", async () => {
    const vault = await locked(allOf(cardA, fido, paper));
    const sources = [softwareSource([paper]), softwareSource([fido]), softwareSource([cardA])];
    const opened = await unlock({ ...vault, sources });
    expect(opened.by).toHaveLength(3);
    expect(opened.fileKey).toEqual(fileKey);
    expect(sources.map(({ asked }) => asked)).toEqual([[[1]], [[1]], [[1]]]);
  });

  test("a threshold takes no more than it needs, and another holder when one fails", async () => {
    const vault = await locked(threshold(2, cardA, cardB, fido));
    const [a, b, f] = [softwareSource([cardA]), softwareSource([cardB]), softwareSource([fido])];
    expect((await unlock({ ...vault, sources: [a, b, f] })).by).toEqual([a, b]);
    expect(f.asked).toEqual([]);
    const blocked = softwareSource([cardA], { keysError: failure("PIN_BLOCKED", "blocked") });
    const opened = await unlock({ ...vault, sources: [blocked, softwareSource([cardB]), softwareSource([fido])] });
    expect(opened.fileKey).toEqual(fileKey);
    expect(blocked.asked).toHaveLength(1);
  });

  test("one source may hold several legs, and is asked for them at once", async () => {
    const vault = await locked(allOf(cardA, cardB));
    const source = softwareSource([cardA, cardB]);
    await unlock({ ...vault, sources: [source] });
    expect(source.asked).toEqual([[1, 1]]);
  });

  test("keys that were obtained serve the next slot without asking again", async () => {
    const guess = softwareSource([], { pretends: [phrase.leaf], kind: "passphrase" });
    const vault = await locked(allOf(cardA, phrase), allOf(cardA, paper));
    const [a, p] = [softwareSource([cardA]), softwareSource([paper], { how: "possible" })];
    expect((await unlock({ ...vault, sources: [a, guess, p] })).slot.id).toBe(2);
    expect(a.asked).toEqual([[1], [2]]);
  });
});

describe("what fails", () => {
  test("a wrong PIN ends the use of that device, not the search", async () => {
    const vault = await locked(one(cardA), one(cardB), one(fido));
    const both = softwareSource([cardA, cardB], { keysError: failure("PIN_WRONG", "authentication", 2) });
    const f = softwareSource([fido]);
    expect((await unlock({ ...vault, sources: [both, f] })).slot.id).toBe(3);
    expect(both.asked).toHaveLength(1);
  });

  test("the one source that had a key says itself why it failed", async () => {
    const vault = await locked(one(cardA), one(paper));
    const error = await refused({
      ...vault,
      sources: [softwareSource([cardA], { keysError: failure("PIN_WRONG", "authentication", 2) })],
    });
    expect(error).toMatchObject({ code: "PIN_WRONG", kind: "authentication", triesLeft: 2, token: "A" });
    expect(error.advice).toBe("look; v.age has 2 slots, the others still open it");
    expect(error.details).toMatchObject({
      slots: [
        { slot: 1, why: "card source: PIN_WRONG happened" },
        { slot: 2, why: "not here" },
      ],
      devices: [{ device: "card source", failure: { code: "PIN_WRONG" } }],
    });
  });

  test("several failures are told device by device and slot by slot", async () => {
    const vault = await locked(one(cardA), one(fido), one(paper));
    const error = await refused({
      ...vault,
      sources: [
        softwareSource([cardA], { title: "card A", keysError: failure("PIN_BLOCKED", "blocked") }),
        softwareSource([fido], { title: "blue", matchError: failure("TRANSPORT_TIMEOUT", "timeout") }),
      ],
    });
    expect(error).toMatchObject({ code: "VAULT_NO_OPENER", kind: "device" });
    expect(error.message).toContain("slot 1 (card A key vault): card A: PIN_BLOCKED happened");
    expect(error.message).toContain("slot 3 (recovery key): not here");
    expect(error.details?.["devices"]).toMatchObject([
      { device: "card A", matches: [{ slot: 1, how: "certain" }], failure: { code: "PIN_BLOCKED" } },
      { device: "blue", matches: [], failure: { code: "TRANSPORT_TIMEOUT" } },
    ]);
  });

  test("a device that dies in its last step is known by it", async () => {
    const dying: SoftwareKey = {
      leaf: cardA.leaf,
      key: {
        primitive: "ecdh",
        agree: () => Promise.reject(failure("CARD_REMOVED", "device")),
      },
    };
    const vault = await locked(allOf(cardA, fido), one(paper));
    const sources = [softwareSource([dying]), softwareSource([fido]), softwareSource([paper], { how: "possible" })];
    expect((await unlock({ ...vault, sources })).slot.id).toBe(2);
    const error = await refused({ ...vault, sources: sources.slice(0, 2) });
    expect(error.code).toBe("CARD_REMOVED");
  });

  test("too few of several names who is here and who could help", async () => {
    const vault = await locked(threshold(3, cardA, cardB, cardC, fido), one(paper));
    const error = await refused({ ...vault, sources: [softwareSource([cardA], { title: "reader 1" })] });
    expect(error).toMatchObject({ code: "VAULT_SHARES_MISSING", kind: "device" });
    expect(error.message).toBe("slot 1 of v.age opens with 3 of 4, and 1 is here: card A key vault (reader 1)");
    expect(error.advice).toMatch(/^attach or give 2 of: card B key vault, card C key vault, FIDO2 [0-9a-f]{8}$/);
  });

  test("a key that is not the one of the slot is said to be that", async () => {
    const vault = await locked(one(fido), one(paper));
    const error = await refused({ ...vault, sources: [softwareSource([], { pretends: [fido.leaf] })] });
    expect(error).toMatchObject({ code: "VAULT_SLOT_KEY_WRONG", kind: "check-failed" });
    const typed = await locked(one(phrase), one(paper));
    const wrong = softwareSource([], { pretends: [phrase.leaf], kind: "passphrase" });
    expect(await refused({ ...typed, sources: [wrong] })).toMatchObject({ kind: "authentication" });
  });

  test("a passphrase that is wrong for one slot is tried on the next, and told once when it is wrong for all", async () => {
    const other = softwareKey("passphrase");
    const vault = await locked(one(other), one(phrase), one(paper));
    // As the real one: it throws when none of the leaves asked for is its own.
    const typed = (own: SoftwareKey): KeySource => {
      const source = softwareSource([own], { pretends: [other.leaf, phrase.leaf], kind: "passphrase" });
      return {
        ...source,
        async keys(refs) {
          const mine = refs.filter(({ leaf }) => leaf === own.leaf);
          if (mine.length === 0) throw failure("VAULT_PASSPHRASE_WRONG", "authentication");
          return source.keys(mine);
        },
      };
    };
    expect((await unlock({ ...vault, sources: [typed(phrase)] })).slot.id).toBe(2);
    expect(await refused({ ...vault, sources: [typed(softwareKey("passphrase"))] })).toMatchObject({
      code: "VAULT_PASSPHRASE_WRONG",
      kind: "authentication",
    });
  });

  test.each<[string, string, ConstructorParameters<typeof HsmError>[1]]>([
    ["a credential that is not there after all", "FIDO_NO_CREDENTIAL", "device"],
    ["a key that is used up", "KEY_USED_UP", "blocked"],
    ["a key that may not do this", "ALGORITHM_NOT_ALLOWED", "not-supported"],
    ["a credential that gives another secret", "VAULT_UV_MISMATCH", "check-failed"],
  ])("%s leaves the other keys of its device in play", async (_what, code, kind) => {
    const vault = await locked(one(fido), one(cardA), one(paper));
    const inner = softwareSource([fido, cardA], { how: "possible" });
    const source: KeySource = {
      ...inner,
      keys: async (refs) => {
        if (refs.some(({ leaf }) => leaf === fido.leaf)) throw failure(code, kind);
        return inner.keys(refs);
      },
    };
    expect((await unlock({ ...vault, sources: [source] })).slot.id).toBe(2);
    expect(await refused({ ...vault, sources: [source], except: [2] })).toMatchObject({
      code,
      kind,
      details: { devices: [{ failure: { code } }] },
    });
  });

  test("a source without the key it claimed is passed over", async () => {
    const vault = await locked(one(cardA), one(paper));
    const empty = { ...softwareSource([cardA]), keys: async () => new Map() } satisfies KeySource;
    expect((await unlock({ ...vault, sources: [empty, softwareSource([paper])] })).slot.id).toBe(2);
    expect(await refused({ ...vault, sources: [empty] })).toMatchObject({ code: "VAULT_NO_OPENER" });
  });

  test("cancelling ends the whole search, and a mistake of ours is not hidden", async () => {
    const vault = await locked(one(cardA), one(paper));
    for (const thrown of [
      failure("CANCELLED", "cancelled"),
      failure("INTERRUPTED", "interrupted"),
      new TypeError("bug"),
    ]) {
      const [a, p] = [softwareSource([cardA], { keysError: thrown }), softwareSource([paper], { how: "possible" })];
      await expect(unlock({ ...vault, sources: [a, p] })).rejects.toBe(thrown);
      expect(p.asked).toEqual([]);
    }
  });

  test("nothing at hand lists every slot", async () => {
    const vault = await locked(one(cardA), one(paper));
    expect(await refused({ ...vault, sources: [] })).toMatchObject({
      code: "VAULT_NO_OPENER",
      message: "nothing here opens v.age: slot 1 (card A key vault): not here; slot 2 (recovery key): not here",
    });
  });
});

describe("any set of slots and keys", () => {
  // RSA keys come out of four pairs, so that one of them is in several places now and then, as clones are.
  const pool = [...leafKinds, ...leafKinds].map((kind, i) => softwareKey(kind, `P${i}`));
  const legs = (min: number) => fc.uniqueArray(fc.nat(pool.length - 1), { minLength: min, maxLength: 5 });
  const keysAt = (at: readonly number[]) => at.flatMap((i) => pool[i] ?? []);
  const holder: fc.Arbitrary<SlotHolder> = fc.oneof(
    legs(1).map((at) => one(keysAt(at)[0] as SoftwareKey)),
    legs(2).map((at) => allOf(...keysAt(at))),
    fc.tuple(legs(2), fc.nat(3)).map(([at, k]) => threshold(2 + (k % (at.length - 1)), ...keysAt(at))),
  );
  const split = fc.array(fc.record({ at: legs(0), possible: fc.boolean(), fails: fc.boolean() }), { maxLength: 5 });

  test("opens exactly when the policy says so, however the keys are spread over devices", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(holder, { minLength: 1, maxLength: 5 }), split, async (holders, parts) => {
        const vault = await locked(...holders);
        const sources = parts.map(({ at, possible, fails }) =>
          softwareSource(keysAt(at), {
            how: possible ? "possible" : "certain",
            ...(fails ? { keysError: failure("PIN_WRONG", "authentication") } : {}),
          }),
        );
        const here = new Set(
          parts.filter(({ fails }) => !fails).flatMap(({ at }) => keysAt(at).map(({ leaf }) => leaf)),
        );
        const rsa = [...here].flatMap((leaf) => (leaf.kind === "card-rsa" ? [String(leaf.modulus)] : []));
        const isHere = (leaf: (typeof pool)[number]["leaf"]) =>
          here.has(leaf) || (leaf.kind === "card-rsa" && rsa.includes(String(leaf.modulus)));
        const opens = vault.slots.filter((slot) => leavesOf(slot.holder).filter(isHere).length >= neededLegs(slot));
        try {
          const opened = await unlock({ ...vault, sources });
          expect(opens).toContain(opened.slot);
          expect(opened.fileKey).toEqual(fileKey);
        } catch (error) {
          if (!(error instanceof HsmError)) throw error;
          expect(opens).toEqual([]);
        }
        for (const source of sources) expect(source.looked).toBe(1);
        parts.forEach(({ fails }, i) => {
          if (fails && sources[i]?.kind !== "passphrase") expect(sources[i]?.asked.length ?? 0).toBeLessThanOrEqual(1);
        });
      }),
      { numRuns: 150 },
    );
  });
});
