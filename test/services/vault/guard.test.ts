import { copyFileSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { guardedVaults } from "../../../src/services/vault/guard.ts";
import { hostState } from "../../../src/services/vault/host-state.ts";
import { leafFingerprint } from "../../../src/services/vault/leaf-key.ts";
import { createVault, openVault } from "../../../src/services/vault/vault.ts";
import { proofOf, type SoftwareKey, softwareKey, softwareSource } from "./software-keys.ts";

const root = mkdtempSync(join(tmpdir(), "hsmadm-vault-guard-"));
afterAll(() => rmSync(root, { recursive: true }));

const a = softwareKey("card-ec", "A");
const a2 = softwareKey("card-rsa", "A");
const b = softwareKey("card-ec", "B");
const fido = softwareKey("fido2");
const paper = softwareKey("recovery");
let count = 0;

function host() {
  const folder = join(root, `h${count++}`);
  mkdirSync(folder);
  return { folder, state: hostState(join(folder, "state")) };
}

async function made({ folder, state }: ReturnType<typeof host>, ...holders: readonly (readonly SoftwareKey[])[]) {
  const slots = holders.map((keys, i) => {
    const legs = keys.map(({ leaf }) => leaf);
    const [leaf] = legs;
    const holder = legs.length === 1 && leaf ? ({ kind: "one", leaf } as const) : ({ kind: "all-of", legs } as const);
    return { label: `s${i + 1}`, holder, proof: proofOf(keys) };
  });
  const vault = await createVault(join(folder, `v${count++}.age`), slots, { state });
  await vault.close();
  return vault;
}

const key = ({ leaf }: SoftwareKey) => leafFingerprint(leaf);

describe("the vaults a token must not be lost to", () => {
  test("the only opener, the last besides the recovery key, and one of several are told apart", async () => {
    const at = host();
    const only = await made(at, [a], [a2]);
    const nearly = await made(at, [a], [paper]);
    const several = await made(at, [a], [fido], [paper]);
    await made(at, [b], [paper]);
    const found = await guardedVaults(at.state, { keys: [key(a), key(a2)] });
    expect(Object.fromEntries(found.map(({ path, role }) => [path, role]))).toEqual({
      [only.path]: "only",
      [nearly.path]: "besides-recovery",
      [several.path]: "one-of-several",
    });
    expect(found.find(({ path }) => path === only.path)).toEqual({
      path: only.path,
      id: only.id,
      role: "only",
      slots: [
        { slot: 1, label: "s1", keys: ["card A key vault"] },
        { slot: 2, label: "s2", keys: ["card A key vault"] },
      ],
      seen: true,
    });
  });

  test("one key of it may go where another one opens", async () => {
    const at = host();
    await made(at, [a], [a2]);
    expect(await guardedVaults(at.state, { keys: [key(a)] })).toMatchObject([{ role: "one-of-several" }]);
    expect(await guardedVaults(at.state, { keys: [key(b)] })).toEqual([]);
  });

  test("it counts as a part too, and by its serial when its keys cannot be read", async () => {
    const at = host();
    await made(at, [a, fido]);
    expect(await guardedVaults(at.state, { keys: [key(a)] })).toMatchObject([{ role: "only" }]);
    expect(await guardedVaults(at.state, { keys: [], serial: "A" })).toMatchObject([{ role: "only" }]);
    expect(await guardedVaults(at.state, { keys: [], serial: "B" })).toEqual([]);
  });

  test("the device key decides between two tokens that say the same serial", async () => {
    const at = host();
    if (a.leaf.kind !== "card-ec") throw new Error("it is one");
    const leaf = { ...a.leaf, card: { serial: "A", deviceKeyHash: new Uint8Array(16).fill(0xab) } };
    await made(at, [{ ...a, leaf }]);
    const deviceKeyHash = "ab".repeat(16);
    expect(await guardedVaults(at.state, { keys: [], serial: "other", deviceKeyHash })).toMatchObject([
      { role: "only" },
    ]);
    expect(await guardedVaults(at.state, { keys: [], serial: "A", deviceKeyHash: "cd".repeat(16) })).toEqual([]);
  });

  test("what was added or removed elsewhere is seen in the file", async () => {
    const at = host();
    const { path } = await made(at, [a], [paper]);
    const elsewhere = await openVault(path, [softwareSource([a])]);
    elsewhere.addSlot({ label: "", holder: { kind: "one", leaf: b.leaf }, proof: proofOf([b]) });
    await elsewhere.save();
    await elsewhere.close();
    expect(await guardedVaults(at.state, { keys: [key(a)] })).toMatchObject([{ role: "one-of-several", seen: true }]);
  });

  test("a file that is away, damaged or older counts as it was last seen", async () => {
    const at = host();
    const { path } = await made(at, [a], [paper]);
    const guarded = () => guardedVaults(at.state, { keys: [key(a)] });
    renameSync(path, `${path}.away`);
    expect(await guarded()).toMatchObject([{ role: "besides-recovery", seen: false }]);
    writeFileSync(path, "damaged");
    expect(await guarded()).toMatchObject([{ role: "besides-recovery", seen: false }]);
    const other = await made(at, [b]);
    renameSync(other.path, path);
    expect(await guarded()).toMatchObject([{ role: "besides-recovery", seen: false }]);
  });

  test("an older file in its place counts for nothing", async () => {
    const at = host();
    const { path } = await made(at, [a], [paper]);
    copyFileSync(path, `${path}.old`);
    const vault = await openVault(path, [softwareSource([a])], { state: at.state });
    vault.addSlot({ label: "", holder: { kind: "one", leaf: b.leaf }, proof: proofOf([b]) });
    await vault.save();
    await vault.close();
    copyFileSync(`${path}.old`, path);
    expect(await guardedVaults(at.state, { keys: [key(a)] })).toMatchObject([{ role: "one-of-several", seen: false }]);
  });

  test("a host that never met a vault knows of none", async () => {
    expect(await guardedVaults(host().state, { keys: [key(a)], serial: "A" })).toEqual([]);
  });
});
