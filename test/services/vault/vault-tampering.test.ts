import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { concat, utf8Bytes } from "../../../src/bytes/bytes.ts";
import { encodeStanza, type Stanza } from "../../../src/crypto/age/stanza.ts";
import type { SlotHolder } from "../../../src/crypto/vault/leaf.ts";
import { vaultStanzas } from "../../../src/crypto/vault/vault-header.ts";
import { HsmError } from "../../../src/errors.ts";
import { lockedVault } from "../../../src/services/vault/locked-vault.ts";
import { createVault, openVault } from "../../../src/services/vault/vault.ts";
import { proofOf, type SoftwareKey, softwareKey, softwareSource } from "./software-keys.ts";

const folder = mkdtempSync(join(tmpdir(), "hsmadm-vault-tampering-"));
afterAll(() => rmSync(folder, { recursive: true }));

const [card, rsa, fido, phrase, paper] = (["card-ec", "card-rsa", "fido2", "passphrase", "recovery"] as const).map(
  (kind) => softwareKey(kind),
) as [SoftwareKey, SoftwareKey, SoftwareKey, SoftwareKey, SoftwareKey];
const everybody = [card, rsa, fido, phrase, paper];
const file = join(folder, "v.age");
let bytes: Uint8Array;

function holder(keys: readonly SoftwareKey[]): SlotHolder {
  const legs = keys.map(({ leaf }) => leaf);
  const [leaf] = legs;
  return legs.length === 1 && leaf !== undefined ? { kind: "one", leaf } : { kind: "all-of", legs };
}

beforeAll(async () => {
  const slots = [[card], [rsa, fido], [phrase], [paper]].map((keys, i) => ({
    label: `slot ${i + 1}`,
    holder: holder(keys),
    proof: proofOf(keys),
  }));
  const vault = await createVault(file, slots);
  vault.set("canary", { value: utf8Bytes("the canary"), type: "text" });
  await vault.save();
  await vault.close();
  bytes = new Uint8Array(readFileSync(file));
});

/** How an attempt to open these bytes ends: `opened`, or an error's code. */
async function opening(changed: Uint8Array, keys: readonly SoftwareKey[]): Promise<string> {
  const path = join(folder, "changed.age");
  writeFileSync(path, changed);
  try {
    const vault = await openVault(path, [softwareSource(keys)]);
    await vault.close();
    return "opened";
  } catch (error) {
    if (!(error instanceof HsmError)) throw error;
    expect(`${error.message} ${error.advice} ${JSON.stringify(error.details)}`).not.toContain("canary");
    expect(error.advice, error.code).toBeDefined();
    return error.code;
  }
}

describe("a vault that somebody changed", () => {
  test("is refused for every byte", async () => {
    expect(await opening(bytes, [paper])).toBe("opened");
    const codes = new Set<string>();
    for (let at = 0; at < bytes.length; at++) {
      const changed = bytes.slice();
      changed[at] = (changed[at] ?? 0) ^ (1 << (at % 8));
      const code = await opening(changed, [paper]);
      expect(code, `byte ${at}`).not.toBe("opened");
      codes.add(code);
    }
    expect(codes).toContain("VAULT_HEADER_MAC");
  });

  test("is refused whoever opens it", async () => {
    const place = fc.tuple(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }));
    await fc.assert(
      fc.asyncProperty(place, fc.constantFrom([card], [rsa, fido], [phrase], everybody), async ([at, mask], keys) => {
        const changed = bytes.slice();
        changed[at] = (changed[at] ?? 0) ^ mask;
        expect(await opening(changed, keys)).not.toBe("opened");
      }),
      { numRuns: 150 },
    );
  });

  test("is refused when it was cut off, or something was put behind it", async () => {
    for (let length = 0; length < bytes.length; length += 97) {
      expect(await opening(bytes.subarray(0, length), everybody)).not.toBe("opened");
    }
    expect(await opening(bytes.subarray(0, -1), everybody)).not.toBe("opened");
    expect(await opening(concat(bytes, Uint8Array.of(0)), everybody)).not.toBe("opened");
  });
});

describe("slots that somebody moved", () => {
  /** The stanzas rearranged around the payload and the MAC that were there. */
  async function rearranged(change: (groups: Stanza[][]) => readonly (readonly Stanza[])[]): Promise<Uint8Array> {
    const { age } = await lockedVault(file);
    const groups: Stanza[][] = [];
    for (const stanza of age.stanzas) {
      if (stanza.type === "hsmadm/slot") groups.push([]);
      groups.at(-1)?.push(stanza);
    }
    const text = `age-encryption.org/v1\n${change(groups).flat().map(encodeStanza).join("")}`;
    return concat(utf8Bytes(text), bytes.subarray(age.macInput.length - 3));
  }

  test("the same slots in their order are the file itself", async () => {
    expect(await rearranged((groups) => groups)).toEqual(bytes);
  });

  const changes: [string, string, (groups: Stanza[][]) => (readonly Stanza[])[]][] = [
    [
      "a slot stripped",
      "VAULT_HEADER_MAC",
      ([vault, ...slots]) => [vault ?? [], ...slots.slice(0, 2), ...slots.slice(3)],
    ],
    [
      "a slot's keys stripped",
      "VAULT_HEADER_INVALID",
      (groups) => groups.map((group, i) => (i === 2 ? group.slice(0, 1) : group)),
    ],
    [
      "a slot's descriptor stripped",
      "VAULT_HEADER_INVALID",
      (groups) => groups.map((group, i) => (i === 2 ? group.slice(1) : group)),
    ],
    ["two slots swapped", "VAULT_HEADER_INVALID", ([a, b, c, ...rest]) => [a ?? [], c ?? [], b ?? [], ...rest]],
    ["a slot twice", "VAULT_HEADER_INVALID", (groups) => [...groups, groups.at(-1) ?? []]],
    ["the vault's descriptor stripped", "VAULT_HEADER_INVALID", (groups) => groups.slice(1)],
    [
      "a stanza of nobody put in",
      "VAULT_HEADER_INVALID",
      (groups) => [...groups, [{ type: "X25519", args: ["AA"], body: new Uint8Array(32) }]],
    ],
  ];
  test.each(changes)("%s: %s", async (_what, code, change) => {
    const changed = await rearranged(change);
    expect(await opening(changed, everybody)).toBe(code);
    expect(await opening(changed, [paper])).toBe(code);
  });

  test("the keys of another vault's slot under a slot's name", async () => {
    const { header } = await lockedVault(file);
    const foreign = await vaultStanzas(header, new Uint8Array(16).fill(1));
    const swapped = await rearranged((groups) => {
      const at = foreign.findIndex(({ args }) => args[1] === "1") + 1;
      const [key] = foreign.slice(at, at + 1);
      return groups.map((group, i) => (i === 1 && group[0] && key ? [group[0], key] : group));
    });
    // The card opens what the attacker put there; the MAC is another's, and no other slot is tried for it.
    expect(await opening(swapped, [card])).toBe("VAULT_HEADER_MAC");
    expect(await opening(swapped, everybody)).toBe("VAULT_HEADER_MAC");
    expect(await opening(swapped, [paper])).toBe("VAULT_HEADER_MAC");
  });

  test("a slot of the attacker's own", async () => {
    const { header } = await lockedVault(file);
    const own = softwareKey("card-ec");
    const slot = {
      id: 5,
      label: "mine",
      created: "2026-11-20T09:00:00Z",
      holder: { kind: "one", leaf: own.leaf },
    } as const;
    const more = { ...header, nextSlot: 6, slots: [...header.slots, slot] };
    const foreign = await vaultStanzas(more, new Uint8Array(16).fill(1));
    const added = await rearranged(([, ...slots]) => [foreign.slice(0, 1), ...slots, foreign.slice(-2)]);
    for (const keys of [[own], [paper], [card]]) expect(await opening(added, keys)).toBe("VAULT_HEADER_MAC");
  });
});
