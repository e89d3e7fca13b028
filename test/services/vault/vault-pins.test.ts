import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { concat, utf8Bytes } from "../../../src/bytes/bytes.ts";
import { buildAgeHeader } from "../../../src/crypto/age/header.ts";
import { sealPayload } from "../../../src/crypto/age/payload.ts";
import { type VaultHeader, vaultStanzas } from "../../../src/crypto/vault/vault-header.ts";
import { fileIdentity, vaultId } from "../../../src/crypto/vault/vault-seed.ts";
import type { Anchored } from "../../../src/services/vault/anchor.ts";
import { encodeDocument } from "../../../src/services/vault/document/document-json.ts";
import type { VaultDocument } from "../../../src/services/vault/document/vault-document.ts";
import { hostState } from "../../../src/services/vault/host-state.ts";
import { lockedVault } from "../../../src/services/vault/locked-vault.ts";
import { createVault, openVault } from "../../../src/services/vault/vault.ts";
import { proofOf, type SoftwareKey, softwareKey, softwareSource } from "./software-keys.ts";

const root = mkdtempSync(join(tmpdir(), "hsmadm-vault-pins-"));
afterAll(() => rmSync(root, { recursive: true }));

const card = softwareKey("card-ec");
const paper = softwareKey("recovery");
const opener = softwareSource([card]);
let count = 0;

function place() {
  const folder = join(root, `p${count++}`);
  mkdirSync(folder);
  return { folder, file: join(folder, "v.age"), state: hostState(join(folder, "state")) };
}

function slotsOf(...keys: readonly SoftwareKey[]) {
  return keys.map((key) => ({ label: "", holder: { kind: "one", leaf: key.leaf } as const, proof: proofOf([key]) }));
}

/** Generation 2 at `file`, generation 1 at `file.1`. */
async function known() {
  const at = place();
  const vault = await createVault(at.file, slotsOf(card, paper), { state: at.state });
  copyFileSync(at.file, `${at.file}.1`);
  vault.set("a", { value: utf8Bytes("1") });
  await vault.save();
  await vault.close();
  return { ...at, id: vault.id };
}

async function written(file: string, options: Parameters<typeof openVault>[2] = {}) {
  const vault = await openVault(file, [opener], options);
  vault.set("a", { value: utf8Bytes(String(count++)) });
  await vault.save();
  await vault.close();
}

async function outcome(file: string, options: Parameters<typeof openVault>[2] = {}) {
  const vault = await openVault(file, [opener], options);
  await vault.close();
  return vault.outcome;
}

describe("another vault under the same name", () => {
  test("is met once, remembered, and refused in its place ever after", async () => {
    const { file, state, id } = await known();
    expect(await outcome(file, { state })).toEqual({ trust: "remembered", rolledBack: false });
    const other = place();
    await (await createVault(other.file, slotsOf(card))).close();
    copyFileSync(other.file, file);
    await expect(outcome(file, { state })).rejects.toMatchObject({
      code: "VAULT_ID_OTHER",
      kind: "check-failed",
      details: { expected: id, rekeyed: false },
    });
    // Refused again: the refusal itself taught the host nothing.
    await expect(outcome(file, { state })).rejects.toMatchObject({ code: "VAULT_ID_OTHER" });
  });

  test("is first met on a host that knows nothing, and shows its id for that", async () => {
    const { file, id, folder } = await known();
    const state = hostState(join(folder, "elsewhere"));
    const vault = await openVault(file, [opener], { state });
    expect(vault.outcome.trust).toBe("first-met");
    expect(vault.id).toBe(id);
    await vault.close();
    expect((await outcome(file, { state })).trust).toBe("remembered");
    expect((await outcome(file)).trust).toBe("unknown");
    expect(statSync(join(folder, "elsewhere")).mode & 0o777).toBe(0o700);
    for (const name of readdirSync(join(folder, "elsewhere"))) {
      expect(statSync(join(folder, "elsewhere", name)).mode & 0o777).toBe(0o600);
    }
  });

  test("is taken when its id is the one that was expected, and only then", async () => {
    const { file, state, id } = await known();
    const other = place();
    const made = await createVault(other.file, slotsOf(card));
    await made.close();
    await expect(outcome(other.file, { expectId: id })).rejects.toMatchObject({ code: "VAULT_ID_OTHER" });
    copyFileSync(other.file, file);
    expect((await outcome(file, { state, expectId: made.id })).trust).toBe("expected");
    expect((await outcome(file, { state })).trust).toBe("remembered");
  });

  test("a rekey elsewhere is told from a foreign file, and still has to be confirmed", async () => {
    const { file, state, folder } = await known();
    const there = hostState(join(folder, "there"));
    const vault = await openVault(file, [opener], { state: there });
    const { to } = vault.rekey();
    await vault.save();
    await vault.close();
    expect((await outcome(file, { state: there })).trust).toBe("remembered");
    await expect(outcome(file, { state })).rejects.toMatchObject({
      code: "VAULT_ID_OTHER",
      details: { rekeyed: true },
    });
    expect((await outcome(file, { state, expectId: to })).trust).toBe("expected");
    expect((await outcome(file, { state })).trust).toBe("remembered");
  });

  test("one made by whoever knows only the public keys never passes for ours", async () => {
    const { file, state } = await known();
    const { header } = await lockedVault(file);
    const seed = new Uint8Array(32).fill(3);
    // The id of the real vault in the header and in the payload, over a seed that is not the real one.
    for (const id of [header.vaultId, vaultId(seed)]) {
      await forge(
        file,
        { ...header, generation: 3, fileRecipient: fileIdentity(seed).publicKey, vaultId: id },
        { id, seed },
      );
      const code = id === header.vaultId ? "VAULT_DOCUMENT_INVALID" : "VAULT_ID_OTHER";
      await expect(outcome(file, { state })).rejects.toMatchObject({ code, kind: "check-failed" });
    }
  });

  test("header and payload that disagree are refused, whoever wrote them", async () => {
    const { file } = await known();
    const { header } = await lockedVault(file);
    const seed = new Uint8Array(32).fill(3);
    const id = vaultId(seed);
    const good = { ...header, vaultId: id, generation: 3, fileRecipient: fileIdentity(seed).publicKey };
    await forge(file, good, { id, seed });
    expect((await outcome(file)).trust).toBe("unknown");
    for (const bad of [
      { ...good, vaultId: header.vaultId },
      { ...good, generation: 4 },
      { ...good, fileRecipient: header.fileRecipient },
    ]) {
      await forge(file, bad, { id, seed });
      await expect(outcome(file)).rejects.toMatchObject({ code: "VAULT_DOCUMENT_INVALID", kind: "check-failed" });
    }
    await forge(file, good, { id, seed, retired: [{ id: header.vaultId, seed, retired: "2026-11-20T09:00:00Z" }] });
    await expect(outcome(file)).rejects.toMatchObject({ code: "VAULT_DOCUMENT_INVALID" });
  });
});

/** A file as somebody makes it who knows this program and the public keys. */
async function forge(file: string, header: VaultHeader, own: Partial<VaultDocument>): Promise<void> {
  const date = "2026-11-20T09:00:00Z";
  const document: VaultDocument = {
    id: "",
    generation: 3,
    previous: null,
    created: date,
    updated: date,
    seed: new Uint8Array(32),
    secrets: new Map(),
    retired: [],
    ...own,
  };
  const fileKey = new Uint8Array(16).fill(5);
  const stanzas = await vaultStanzas(header, fileKey);
  writeFileSync(file, concat(buildAgeHeader(stanzas, fileKey), sealPayload(fileKey, encodeDocument(document))));
}

describe("an older generation", () => {
  test("is refused, until somebody says that it is meant", async () => {
    const { file, state, id } = await known();
    copyFileSync(`${file}.1`, file);
    await expect(outcome(file, { state })).rejects.toMatchObject({
      code: "VAULT_ROLLBACK",
      kind: "check-failed",
      details: { id, found: 1, seen: 2 },
    });
    await expect(outcome(file, { state, expectId: id })).rejects.toMatchObject({ code: "VAULT_ROLLBACK" });
    expect(await outcome(file, { state, allowRollback: true })).toEqual({ trust: "remembered", rolledBack: true });
    // From now on this one counts, and the newer one is a stranger's history.
    expect(await outcome(file, { state })).toEqual({ trust: "remembered", rolledBack: false });
  });

  test("another file of the same generation, and one built on another past, are refused too", async () => {
    const { file, state, folder } = await known();
    const fork = join(folder, "fork.age");
    copyFileSync(`${file}.1`, fork);
    await written(fork);
    const second = readFileSync(fork);
    await written(fork);
    const third = readFileSync(fork);
    for (const bytes of [second, third]) {
      writeFileSync(file, bytes);
      await expect(outcome(file, { state })).rejects.toMatchObject({ code: "VAULT_ROLLBACK" });
    }
  });

  test("what was written elsewhere meanwhile is followed, however many generations", async () => {
    const { file, state } = await known();
    await written(file);
    expect(await outcome(file, { state })).toEqual({ trust: "remembered", rolledBack: false });
    await written(file);
    await written(file);
    expect(await outcome(file, { state })).toEqual({ trust: "remembered", rolledBack: false });
    copyFileSync(`${file}.bak`, file);
    await expect(outcome(file, { state })).rejects.toMatchObject({ code: "VAULT_ROLLBACK", details: { seen: 5 } });
  });

  test("a record that was altered is noticed, and one that is none stops everything", async () => {
    const { file, state, folder, id } = await known();
    copyFileSync(`${file}.1`, file);
    const [name] = readdirSync(join(folder, "state"));
    const record = join(folder, "state", String(name));
    const genuine = readFileSync(record, "utf8");
    const fields = JSON.parse(genuine);
    const { hash } = (await lockedVault(file)).image;
    writeFileSync(record, JSON.stringify({ ...fields, generation: 1, hash: Buffer.from(hash).toString("hex") }));
    await expect(outcome(file, { state })).rejects.toMatchObject({ code: "VAULT_STATE_FORGED", kind: "check-failed" });
    expect((await outcome(file, { state, expectId: id })).trust).toBe("expected");
    for (const bad of [
      "",
      "{}",
      "[]",
      genuine.slice(0, -9),
      genuine.replace(id, "v1-x"),
      genuine.replace('"slots": [', '"slots": [1,'),
    ]) {
      writeFileSync(record, bad);
      await expect(outcome(file, { state })).rejects.toMatchObject({ code: "VAULT_STATE_UNREADABLE", kind: "refused" });
      await expect(state.all()).rejects.toMatchObject({ code: "VAULT_STATE_UNREADABLE" });
    }
    await state.forget(file);
    expect((await outcome(file, { state })).trust).toBe("first-met");
  });

  test("a host that cannot remember says so, and opens and writes all the same", async () => {
    const { file, folder } = await known();
    writeFileSync(join(folder, "occupied"), "");
    const state = { ...hostState(join(folder, "fine")), remember: hostState(join(folder, "occupied", "x")).remember };
    const vault = await openVault(file, [opener], { state });
    expect(vault.notes).toHaveLength(1);
    expect((await vault.save()).notes).toHaveLength(1);
    await vault.close();
  });
});

describe("the anchor on the token", () => {
  function anchor() {
    let kept: Anchored | null = null;
    return {
      read: async () => kept,
      write: async (anchored: Anchored) => {
        kept = anchored;
      },
    };
  }

  test("refuses an older or a foreign file on a host that never saw the vault", async () => {
    const { file } = await known();
    const token = anchor();
    expect((await outcome(file, { anchor: token })).trust).toBe("unknown");
    await written(file, { anchor: token });
    expect((await outcome(file, { anchor: token })).trust).toBe("anchored");
    copyFileSync(`${file}.1`, file);
    await expect(outcome(file, { anchor: token })).rejects.toMatchObject({ code: "VAULT_ROLLBACK" });
    const other = place();
    await (await createVault(other.file, slotsOf(card))).close();
    await expect(outcome(other.file, { anchor: token })).rejects.toMatchObject({ code: "VAULT_ID_OTHER" });
  });

  test("may lag behind: a token that was away is no reason to refuse", async () => {
    const { file } = await known();
    const token = anchor();
    await written(file, { anchor: token });
    await written(file);
    await written(file);
    expect((await outcome(file, { anchor: token })).trust).toBe("anchored");
  });

  test("that cannot be written is told, after the file is in place", async () => {
    const { file } = await known();
    const broken = { ...anchor(), write: () => Promise.reject(new Error("card full")) };
    const vault = await openVault(file, [opener], { anchor: broken });
    expect(await vault.save()).toEqual({ generation: 3, notes: ["the token could not note generation 3: card full"] });
    await vault.close();
  });
});
