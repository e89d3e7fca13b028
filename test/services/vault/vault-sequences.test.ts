import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, expect, test } from "vitest";
import type { SlotHolder } from "../../../src/crypto/vault/leaf.ts";
import { HsmError } from "../../../src/errors.ts";
import { hostState } from "../../../src/services/vault/host-state.ts";
import type { OpenVault } from "../../../src/services/vault/open-vault.ts";
import { createVault, openVault } from "../../../src/services/vault/vault.ts";
import type { NewSlot } from "../../../src/services/vault/vault-slots.ts";
import { proofOf, type SoftwareKey, softwareKey, softwareSource } from "./software-keys.ts";

const folder = mkdtempSync(join(tmpdir(), "hsmadm-vault-sequences-"));
afterAll(() => rmSync(folder, { recursive: true }));

const kinds = ["card-ec", "fido2", "card-aes", "recovery", "passphrase"] as const;
const newKeys = fc.array(fc.constantFrom(...kinds), { minLength: 1, maxLength: 3 });

type Step =
  | {
      readonly do: "add" | "rotate";
      readonly kinds: readonly (typeof kinds)[number][];
      readonly at: number;
      readonly all: boolean;
    }
  | { readonly do: "remove" | "set" | "rm" | "reopen"; readonly at: number }
  | { readonly do: "rekey" | "drop" | "save" };

const at = fc.nat(5);
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ do: fc.constantFrom("add" as const, "rotate" as const), kinds: newKeys, at, all: fc.boolean() }),
  fc.record({ do: fc.constantFrom("remove" as const, "set" as const, "rm" as const, "reopen" as const), at }),
  fc.record({ do: fc.constantFrom("rekey" as const, "drop" as const, "save" as const, "save" as const) }),
);

/** What the file should be. */
interface Model {
  slots: Map<number, readonly SoftwareKey[]>;
  secrets: Map<string, number>;
  id: string;
}

function slotOf(keys: readonly SoftwareKey[], all: boolean): NewSlot {
  const legs = keys.map(({ leaf }) => leaf);
  const [leaf] = legs;
  const holder: SlotHolder =
    legs.length === 1 && leaf !== undefined
      ? { kind: "one", leaf }
      : all
        ? { kind: "all-of", legs }
        : { kind: "threshold", k: 2, legs };
  return { label: `${keys.length}`, holder, proof: proofOf(keys) };
}

const copy = ({ slots, secrets, id }: Model): Model => ({ slots: new Map(slots), secrets: new Map(secrets), id });
let count = 0;

test("whatever is done in whatever order: ids unique, one generation a write, what was removed opens no more, all others do", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 3, maxLength: 14 }), async (steps) => {
      const file = join(folder, `v${count++}.age`);
      const state = hostState(join(folder, "state"));
      const first = [softwareKey("card-ec")];
      let vault: OpenVault = await createVault(file, [slotOf(first, true)], { state });
      let staged: Model = { slots: new Map([[1, first]]), secrets: new Map(), id: vault.id };
      let saved = copy(staged);
      let generation = 1;
      const gone: (readonly SoftwareKey[])[] = [];
      // Ids that a file has had; those that were never written may come again.
      let written = new Set([1]);
      let ids = new Set(written);

      const taken = (id: number) => {
        expect(ids.has(id)).toBe(false);
        ids.add(id);
      };
      const slotAt = (index: number) => [...staged.slots.keys()][index % staged.slots.size] ?? 0;

      for (const each of [...steps, { do: "save" } as const]) {
        switch (each.do) {
          case "add":
          case "rotate": {
            const keys = each.kinds.map((kind) => softwareKey(kind));
            if (each.do === "add") {
              const id = vault.addSlot(slotOf(keys, each.all));
              taken(id);
              staged.slots.set(id, keys);
              break;
            }
            const old = slotAt(each.at);
            const id = vault.rotateSlot(old, slotOf(keys, each.all), { acknowledge: true });
            taken(id);
            staged.slots.delete(old);
            staged.slots.set(id, keys);
            break;
          }
          case "remove": {
            const id = slotAt(each.at);
            try {
              vault.removeSlot(id, { acknowledge: true });
              staged.slots.delete(id);
            } catch (error) {
              if (!(error instanceof HsmError) || error.kind !== "refused") throw error;
              expect(id === vault.openedBy.slot.id || staged.slots.size === 1).toBe(true);
            }
            break;
          }
          case "set":
            vault.set(`s${each.at}`, { value: Uint8Array.of(count % 256) });
            staged.secrets.set(`s${each.at}`, count % 256);
            break;
          case "rm":
            if (staged.secrets.delete(`s${each.at}`)) vault.remove(`s${each.at}`);
            break;
          case "rekey": {
            const { from, to } = vault.rekey();
            expect(from).toBe(staged.id);
            expect(to).not.toBe(from);
            staged.id = to;
            break;
          }
          case "drop":
            vault.dropRetired();
            break;
          case "save": {
            try {
              expect(await vault.save()).toEqual({ generation: generation + 1, notes: [] });
            } catch (error) {
              // The slot that opened was rotated and what took its place removed: nothing that is left was proved.
              if (!(error instanceof HsmError) || error.code !== "VAULT_SLOT_UNPROVEN") throw error;
              await vault.close();
              vault = await reopened(file, saved, 0, state);
              staged = copy(saved);
              ids = new Set(written);
              break;
            }
            generation++;
            written = new Set(ids);
            gone.push(...[...saved.slots].filter(([id]) => !staged.slots.has(id)).map(([, keys]) => keys));
            saved = copy(staged);
            await holds(file, saved, generation, gone, state);
            break;
          }
          case "reopen":
            await vault.close();
            vault = await reopened(file, saved, each.at, state);
            staged = copy(saved);
            ids = new Set(written);
            break;
        }
      }
      await vault.close();
    }),
    { numRuns: 40 },
  );
});

async function reopened(
  file: string,
  { slots }: Model,
  at: number,
  state: ReturnType<typeof hostState>,
): Promise<OpenVault> {
  const [id, keys] = [...slots][at % slots.size] ?? [0, []];
  const vault = await openVault(file, [softwareSource(keys)], { state, only: [id] });
  expect(vault.openedBy.slot.id).toBe(id);
  return vault;
}

/** The file is as the model says, for every slot alone; and nothing that is gone opens it. */
async function holds(
  file: string,
  { slots, secrets, id: vaultId }: Model,
  generation: number,
  gone: readonly (readonly SoftwareKey[])[],
  state: ReturnType<typeof hostState>,
): Promise<void> {
  const before = readFileSync(file);
  for (const [id, keys] of slots) {
    const vault = await openVault(file, [softwareSource(keys)], { state });
    expect(vault.openedBy.slot.id).toBe(id);
    expect(vault.id).toBe(vaultId);
    expect(vault.generation).toBe(generation);
    expect(vault.slots.map((slot) => slot.id)).toEqual([...slots.keys()].sort((a, b) => a - b));
    expect(vault.list().map(({ name }) => name)).toEqual([...secrets.keys()].sort());
    for (const [name, value] of secrets) expect(vault.get(name).value).toEqual(Uint8Array.of(value));
    await vault.close();
  }
  for (const keys of gone) {
    await expect(openVault(file, [softwareSource(keys)], { state })).rejects.toMatchObject({ kind: "device" });
  }
  expect(readFileSync(file)).toEqual(before);
}
