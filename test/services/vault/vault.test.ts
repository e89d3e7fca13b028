import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { utf8Bytes } from "../../../src/bytes/bytes.ts";
import { openSlot } from "../../../src/crypto/vault/open-slot.ts";
import { lockedVault } from "../../../src/services/vault/locked-vault.ts";
import { createVault, openVault } from "../../../src/services/vault/vault.ts";
import type { NewSlot } from "../../../src/services/vault/vault-slots.ts";
import { leafKinds, proofOf, type SoftwareKey, softwareKey, softwareSource } from "./software-keys.ts";

const folder = mkdtempSync(join(tmpdir(), "hsmadm-vault-"));
afterAll(() => rmSync(folder, { recursive: true }));

let count = 0;
function path(): string {
  return join(folder, `vault-${count++}.age`);
}

function one(key: SoftwareKey, label = ""): NewSlot {
  return { label, holder: { kind: "one", leaf: key.leaf }, proof: proofOf([key]) };
}

const card = softwareKey("card-ec");
const fido = softwareKey("fido2");
const paper = softwareKey("recovery");

async function vaultOf(...slots: readonly NewSlot[]): Promise<string> {
  const file = path();
  await (await createVault(file, slots)).close();
  return file;
}

function refusal(code: string, kind: string) {
  return expect.objectContaining({ code, kind });
}

describe("a vault", () => {
  test.each(leafKinds)("opens with %s, and holds what was put in", async (kind) => {
    const key = softwareKey(kind);
    const file = path();
    const made = await createVault(file, [one(key), one(paper)]);
    made.set("borg", { value: utf8Bytes("correct horse"), type: "text", note: "the laptop's" });
    made.set("zfs/tank", { value: new Uint8Array(32).fill(9) });
    expect(await made.save()).toEqual({ generation: 2, notes: [] });
    await made.close();

    const vault = await openVault(file, [softwareSource([key])]);
    expect(vault.openedBy.slot.id).toBe(1);
    expect(vault.generation).toBe(2);
    expect(vault.list()).toMatchObject([
      { name: "borg", type: "text", length: 13, revision: 1, note: "the laptop's" },
      { name: "zfs/tank", type: "raw", length: 32, revision: 1 },
    ]);
    expect(vault.get("borg")).toEqual({ type: "text", value: utf8Bytes("correct horse") });
    expect(vault.get("zfs/tank").value).toEqual(new Uint8Array(32).fill(9));
    await vault.close();
    expect(() => vault.get("borg")).toThrow(refusal("VAULT_CLOSED", "unexpected"));
  });

  test("is for its owner only, and one generation back stays beside it", async () => {
    const file = await vaultOf(one(card), one(paper));
    const first = readFileSync(file);
    const vault = await openVault(file, [softwareSource([card])]);
    vault.set("a", { value: utf8Bytes("1") });
    await vault.save();
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(readFileSync(`${file}.bak`)).toEqual(first);
    const second = readFileSync(file);
    vault.set("a", { value: utf8Bytes("2") });
    await vault.save({ backup: false });
    expect(readFileSync(`${file}.bak`)).toEqual(first);
    vault.set("a", { value: utf8Bytes("3") });
    await vault.save();
    expect(readFileSync(`${file}.bak`)).not.toEqual(second);
    expect(vault.list()).toMatchObject([{ revision: 3 }]);
    await vault.close();
    expect(readdirSync(folder).filter((name) => name.startsWith("."))).toEqual([]);
  });

  test("never uses a file key twice, nor anything that hides it", async () => {
    const file = await vaultOf(one(card), one(paper));
    const vault = await openVault(file, [softwareSource([card])]);
    const [keys, bodies] = [new Set<string>(), new Set<string>()];
    for (let i = 0; i < 3; i++) {
      await vault.save();
      const { age, header, slotStanzas } = await lockedVault(file);
      for (const { body } of age.stanzas.filter(({ type }) => type !== "hsmadm/slot")) bodies.add(String(body));
      for (const slot of header.slots) {
        keys.add(String(await openSlot(slot, slotStanzas.get(slot.id) ?? [], proofOf([card, paper]))));
      }
    }
    expect(keys.size).toBe(3);
    expect(bodies.size).toBe(6);
    await vault.close();
  });

  test("a link is followed once, and stays a link", async () => {
    const file = await vaultOf(one(card), one(paper));
    const link = path();
    symlinkSync(file, link);
    const vault = await openVault(link, [softwareSource([card])]);
    vault.set("a", { value: utf8Bytes("1") });
    await vault.save();
    await vault.close();
    expect(statSync(file).size).toBe(readFileSync(link).length);
    expect((await lockedVault(file)).header.generation).toBe(2);
    const second = path();
    symlinkSync(link, second);
    await expect(openVault(second, [])).rejects.toThrow(refusal("VAULT_PATH_INVALID", "usage"));
  });

  test("one that is there is not made again, and one that is not there is not opened", async () => {
    const file = await vaultOf(one(card), one(paper));
    await expect(createVault(file, [one(card)])).rejects.toThrow(refusal("FILE_EXISTS", "conflict"));
    await expect(openVault(path(), [])).rejects.toThrow(refusal("VAULT_NOT_READABLE", "usage"));
    await expect(createVault(path(), [])).rejects.toThrow(refusal("VAULT_SLOT_INVALID", "usage"));
    await expect(createVault(join(folder, "none", "x.age"), [one(card)])).rejects.toThrow(
      refusal("FILE_NOT_WRITABLE", "service"),
    );
  });

  test("an age file that is no vault, and a file that is nothing, are told apart from damage", async () => {
    const plain = path();
    writeFileSync(plain, "hello\n");
    await expect(openVault(plain, [])).rejects.toThrow(refusal("AGE_FILE_INVALID", "check-failed"));
    const large = path();
    writeFileSync(large, new Uint8Array(6 * 1024 * 1024));
    await expect(openVault(large, [])).rejects.toThrow(refusal("VAULT_FILE_INVALID", "check-failed"));
  });
});

describe("slots", () => {
  test("any opener adds one without the others being there", async () => {
    const file = await vaultOf(one(card, "daily"), one(paper));
    const vault = await openVault(file, [softwareSource([card])]);
    expect(vault.addSlot(one(fido, "spare"))).toBe(3);
    await vault.save();
    await vault.close();
    for (const [key, slot] of [
      [card, 1],
      [paper, 2],
      [fido, 3],
    ] as const) {
      const again = await openVault(file, [softwareSource([key])]);
      expect(again.openedBy.slot.id).toBe(slot);
      await again.close();
    }
  });

  test("a slot that does not open with its own keys is never written", async () => {
    const file = await vaultOf(one(card), one(paper));
    const before = readFileSync(file);
    const wrong = { ...softwareKey("card-ec"), leaf: fido.leaf };
    for (const slot of [
      { ...one(fido), proof: () => undefined },
      { ...one(fido), proof: () => paper.key },
      { ...one(fido), proof: () => wrong.key },
    ]) {
      const vault = await openVault(file, [softwareSource([card])]);
      vault.addSlot(slot);
      await expect(vault.save()).rejects.toThrow(expect.objectContaining({ name: "HsmError" }));
      await vault.close();
      expect(readFileSync(file)).toEqual(before);
    }
    await expect(createVault(path(), [{ ...one(fido), proof: () => paper.key }])).rejects.toThrow(
      refusal("VAULT_SLOT_KEY_WRONG", "check-failed"),
    );
  });

  test("each leg of a threshold is proved, not only enough of them", async () => {
    const legs = [softwareKey("card-ec"), softwareKey("fido2"), softwareKey("card-rsa")];
    const holder = { kind: "threshold", k: 2, legs: legs.map(({ leaf }) => leaf) } as const;
    const few = { label: "", holder, proof: proofOf(legs.slice(0, 2)) };
    await expect(createVault(path(), [few])).rejects.toThrow(refusal("VAULT_SLOT_UNPROVEN", "check-failed"));
    const [a, b, c] = legs as [SoftwareKey, SoftwareKey, SoftwareKey];
    const swapped = { label: "", holder, proof: proofOf([a, b, { leaf: c.leaf, key: softwareKey("card-rsa").key }]) };
    await expect(createVault(path(), [swapped])).rejects.toThrow();
    await (await createVault(path(), [{ label: "", holder, proof: proofOf(legs) }])).close();
  });

  test("a removed slot opens no later generation, and what was there before still", async () => {
    const file = await vaultOf(one(card), one(fido), one(paper));
    const old = readFileSync(file);
    const vault = await openVault(file, [softwareSource([card])]);
    vault.removeSlot(2);
    await vault.save();
    await vault.close();
    await expect(openVault(file, [softwareSource([fido])])).rejects.toThrow(refusal("VAULT_NO_OPENER", "device"));
    const copy = path();
    writeFileSync(copy, old);
    await (await openVault(copy, [softwareSource([fido])])).close();
  });

  test("none may remove itself, none the last of its kind unnamed, and ids are not used again", async () => {
    const file = await vaultOf(one(card), one(paper));
    const vault = await openVault(file, [softwareSource([card])]);
    expect(() => vault.removeSlot(1)).toThrow(refusal("VAULT_SLOT_OPENED", "refused"));
    expect(() => vault.removeSlot(2)).toThrow(refusal("VAULT_LAST_RECOVERY", "refused"));
    expect(() => vault.removeSlot(9)).toThrow(refusal("VAULT_SLOT_UNKNOWN", "usage"));
    vault.removeSlot(2, { acknowledge: true });
    await vault.save();
    expect(vault.addSlot(one(paper))).toBe(3);
    await vault.save();
    await vault.close();
    const byPaper = await openVault(file, [softwareSource([paper])]);
    expect(() => byPaper.removeSlot(1)).toThrow(refusal("VAULT_LAST_OPENER", "refused"));
    byPaper.removeSlot(1, { acknowledge: true });
    await byPaper.save();
    expect(byPaper.slots.map(({ id }) => id)).toEqual([3]);
    await byPaper.close();
  });

  test("one is rotated in one generation, also the one that opened", async () => {
    const file = await vaultOf(one(card, "daily"), one(paper));
    const fresh = softwareKey("card-rsa");
    const vault = await openVault(file, [softwareSource([card])]);
    expect(vault.rotateSlot(1, one(fresh))).toBe(3);
    await vault.save();
    expect(vault.generation).toBe(2);
    expect(vault.slots.map(({ id }) => id)).toEqual([2, 3]);
    // The new slot has taken the old one's place, for the next write too.
    vault.set("a", { value: utf8Bytes("1") });
    await vault.save();
    expect(vault.openedBy.slot.id).toBe(3);
    expect(() => vault.removeSlot(3)).toThrow(refusal("VAULT_SLOT_OPENED", "refused"));
    await vault.close();
    await expect(openVault(file, [softwareSource([card])])).rejects.toThrow(refusal("VAULT_NO_OPENER", "device"));
    await (await openVault(file, [softwareSource([fresh])])).close();
  });

  test("rotating the last recovery key into something else is refused, and leaves all as it was", async () => {
    const file = await vaultOf(one(card), one(paper));
    const vault = await openVault(file, [softwareSource([card])]);
    expect(() => vault.rotateSlot(2, one(fido))).toThrow(refusal("VAULT_LAST_RECOVERY", "refused"));
    expect(vault.slots.map(({ id }) => id)).toEqual([1, 2]);
    await vault.save();
    await vault.close();
  });

  test("one is tried without the others", async () => {
    const file = await vaultOf(one(card), one(fido), one(paper));
    const vault = await openVault(file, [softwareSource([card])]);
    const source = softwareSource([card, fido]);
    expect(await vault.testSlot(2, [source])).toEqual({ by: [source] });
    expect(source.asked).toEqual([[2]]);
    await expect(vault.testSlot(3, [source])).rejects.toThrow(refusal("VAULT_NO_OPENER", "device"));
    await expect(vault.testSlot(4, [source])).rejects.toThrow(refusal("VAULT_SLOT_UNKNOWN", "usage"));
    await vault.close();
  });
});

describe("keys from the seed", () => {
  test("are the same in every generation, and differ by purpose and context", async () => {
    const file = await vaultOf(one(card), one(paper));
    const vault = await openVault(file, [softwareSource([card])]);
    const key = vault.derive("zfs", "tank");
    await vault.save();
    await vault.close();
    const again = await openVault(file, [softwareSource([paper])]);
    expect(again.derive("zfs", "tank")).toEqual(key);
    expect(again.derive("zfs", "tank2")).not.toEqual(key);
    expect(again.derive("luks", "tank")).not.toEqual(key);
    expect(() => again.derive("state", "")).toThrow(refusal("VAULT_PURPOSE_INVALID", "usage"));
    await again.close();
  });

  test("a rekey makes new ones, keeps the old within reach, and lets go when told", async () => {
    const file = await vaultOf(one(card), one(paper));
    const vault = await openVault(file, [softwareSource([card])]);
    vault.set("borg", { value: utf8Bytes("x") });
    const [id, key, recipient] = [vault.id, vault.derive("zfs", "tank"), vault.fileRecipient];
    const sealed = await all(vault.seal([utf8Bytes("plain")]));
    const outcome = vault.rekey();
    expect(outcome).toEqual({ from: id, to: vault.id, secrets: ["borg"] });
    expect(vault.id).not.toBe(id);
    expect(vault.fileRecipient).not.toBe(recipient);
    await vault.save();
    await vault.close();

    const again = await openVault(file, [softwareSource([paper])]);
    expect(again.id).toBe(outcome.to);
    expect(again.derive("zfs", "tank")).not.toEqual(key);
    expect(again.derive("zfs", "tank", { retired: id })).toEqual(key);
    expect(await all(await again.unseal([sealed]))).toEqual(utf8Bytes("plain"));
    expect(again.retired).toMatchObject([{ id }]);
    expect(again.dropRetired()).toEqual([id]);
    await again.save();
    expect(() => again.derive("zfs", "tank", { retired: id })).toThrow(refusal("VAULT_SEED_UNKNOWN", "usage"));
    await expect(again.unseal([sealed])).rejects.toThrow(refusal("AGE_NO_MATCH", "device"));
    await again.close();
  });

  test("files are sealed to the vault without a limit of size, and a changed one is refused", async () => {
    const file = await vaultOf(one(card), one(paper));
    const vault = await openVault(file, [softwareSource([card])]);
    const plain = new Uint8Array(200_000).map((_, i) => i);
    const sealed = await all(vault.seal([plain.subarray(0, 7), plain.subarray(7)]));
    expect(await all(await vault.unseal([sealed]))).toEqual(plain);
    const flipped = sealed.slice();
    flipped[sealed.length - 1] = (flipped.at(-1) ?? 0) ^ 1;
    await expect(vault.unseal([flipped]).then(all)).rejects.toThrow();
    await vault.close();
  });
});

describe("stock age", () => {
  const age = ageVersion();

  test.skipIf(age === null)("opens a vault with the recovery key alone, and finds the secrets in JSON", async () => {
    const { newX25519Identity, parseX25519Identity } = await import("../../../src/crypto/age/x25519.ts");
    const { identity } = newX25519Identity();
    const { secret, publicKey } = parseX25519Identity(identity);
    const recovery: SoftwareKey = { leaf: { kind: "recovery", publicKey }, key: { primitive: "x25519", secret } };
    const all7 = leafKinds.filter((kind) => kind !== "recovery").map((kind) => one(softwareKey(kind)));
    const vault = await createVault(path(), [...all7, one(recovery)]);
    vault.set("borg", { value: utf8Bytes("correct horse"), type: "text" });
    await vault.save();
    const keyFile = join(folder, "recovery.txt");
    writeFileSync(keyFile, `${identity}\n`);
    const json = JSON.parse(execFileSync("age", ["-d", "-i", keyFile, vault.path], { encoding: "utf8" }));
    expect(Buffer.from(json.secrets.borg.value, "base64").toString()).toBe("correct horse");
    expect(json.id).toBe(vault.id);
    await vault.close();
  });
});

function ageVersion(): string | null {
  try {
    return execFileSync("age", ["--version"], { encoding: "utf8", stdio: "pipe" });
  } catch {
    return null;
  }
}

async function all(stream: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  for await (const part of stream) parts.push(part);
  return new Uint8Array(Buffer.concat(parts));
}
