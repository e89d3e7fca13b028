import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import {
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { utf8Bytes, utf8Text } from "../../../src/bytes/bytes.ts";
import { x25519PublicKey } from "../../../src/crypto/age/x25519.ts";
import { takeVaultLock } from "../../../src/services/vault/file/vault-lock.ts";
import { hostState } from "../../../src/services/vault/host-state.ts";
import { createVault, openVault } from "../../../src/services/vault/vault.ts";
import { watchFileSteps } from "./support/file-steps.ts";
import { plainModules } from "./support/plain-modules.ts";
import { recoveryOf } from "./support/recovery-key.ts";

const root = mkdtempSync(join(tmpdir(), "hsmadm-vault-writing-"));
afterAll(() => rmSync(root, { recursive: true }));

const secret = new Uint8Array(randomBytes(32));
const source = recoveryOf(secret);
let count = 0;

/** A vault in a folder of its own that holds `old` under `name`, in generation 2. */
async function vaultOnce() {
  const folder = join(root, `v${count++}`);
  mkdirSync(folder);
  const file = join(folder, "v.age");
  const state = hostState(join(folder, "state"));
  const holder = { kind: "one", leaf: { kind: "recovery", publicKey: x25519PublicKey(secret) } } as const;
  const proof = () => ({ primitive: "x25519", secret }) as const;
  const vault = await createVault(file, [{ label: "", holder, proof }], { state });
  vault.set("name", { value: utf8Bytes("old") });
  await vault.save();
  await vault.close();
  return { folder, file, state, before: readFileSync(file) };
}

/** What the file holds now, by a fresh look. */
async function content({ file, state }: { readonly file: string; readonly state?: ReturnType<typeof hostState> }) {
  const vault = await openVault(file, [source], { state });
  const value = utf8Text(vault.get("name").value);
  await vault.close();
  return value;
}

async function written(file: string, options: Parameters<typeof openVault>[2] = {}): Promise<void> {
  const vault = await openVault(file, [source], options);
  vault.set("name", { value: utf8Bytes("new") });
  try {
    await vault.save();
  } finally {
    await vault.close();
  }
}

function strays(folder: string): string[] {
  return readdirSync(folder).filter((name) => name.startsWith(".") || name.endsWith(".lock"));
}

describe("a write that fails", () => {
  for (const code of ["ENOSPC", "EIO"]) {
    test(`by ${code}, at any step, leaves the old file or the new one, and can be repeated`, async () => {
      const outcomes: string[] = [];
      for (let at = 0; ; at++) {
        const { folder, file, state, before } = await vaultOnce();
        const vault = await openVault(file, [source], { state });
        vault.set("name", { value: utf8Bytes("new") });
        let left = at;
        let reached = "";
        const end = watchFileSteps((step) => {
          if (left-- !== 0) return;
          reached = step.name;
          throw Object.assign(new Error(`${code}: no luck`), { code });
        });
        let thrown: unknown = null;
        await vault.save().catch((error: unknown) => {
          thrown = error;
        });
        end();
        if (thrown === null) {
          expect(await content({ file, state }), `step ${at} ${reached}`).toBe("new");
          outcomes.push("new");
        } else {
          expect(readFileSync(file), `step ${at} ${reached}`).toEqual(before);
          expect(thrown).toMatchObject({ name: "HsmError", kind: "service" });
          // The edits are still there, and the same vault may try again.
          await vault.save();
          expect(await content({ file, state })).toBe("new");
          outcomes.push("old");
        }
        await vault.close();
        if (code === "ENOSPC") expect(strays(folder).filter((name) => name.endsWith(".tmp"))).toEqual([]);
        if (reached === "") break;
      }
      expect(outcomes.filter((outcome) => outcome === "old").length).toBeGreaterThan(8);
      expect(outcomes.at(-1)).toBe("new");
    });
  }

  test("by SIGKILL, at any step, leaves the old file or the new one, and nobody locked out", async () => {
    const script = plainModules(join(root, "modules"), "test/services/vault/support/killed-writer.ts");
    const keyFile = join(root, "key");
    writeFileSync(keyFile, secret);
    const seen = new Set<string | null>();
    const killed = async (at: number) => {
      const { folder, file, state, before } = await vaultOnce();
      const { code, signal } = await ended(script, [file, keyFile, join(folder, "state"), String(at)]);
      const value = await content({ file, state });
      if (value === "old") expect(readFileSync(file), `step ${at}`).toEqual(before);
      else expect(value, `step ${at}`).toBe("new");
      // Whatever was left behind, the next one writes, and clears it away.
      await written(file, { state });
      expect(
        strays(folder).filter((name) => name.endsWith(".tmp")),
        `step ${at}`,
      ).toEqual([]);
      expect(existsSync(`${file}.lock`)).toBe(false);
      seen.add(value);
      return signal === null ? code : signal;
    };
    let finished = false;
    for (let at = 0; !finished; at += 4) {
      const ends = await Promise.all([at, at + 1, at + 2, at + 3].map(killed));
      for (const end of ends) expect([0, "SIGKILL"]).toContain(end);
      finished = ends.includes(0);
    }
    expect([...seen].sort()).toEqual(["new", "old"]);
  });
});

describe("two at a time", () => {
  test("a file that changed underneath is not overwritten, and the other's write stays", async () => {
    const { file, state } = await vaultOnce();
    const slow = await openVault(file, [source], { state });
    slow.set("name", { value: utf8Bytes("slow") });
    await written(file, { state });
    await expect(slow.save()).rejects.toMatchObject({ code: "VAULT_CHANGED", kind: "conflict" });
    await slow.close();
    expect(await content({ file, state })).toBe("new");
  });

  test("nothing is asked of a token for a write that cannot be", async () => {
    const { file } = await vaultOnce();
    let asked = 0;
    const vault = await openVault(file, [source]);
    const leaf = { kind: "recovery", publicKey: x25519PublicKey(secret) } as const;
    const proof = () => {
      asked++;
      return { primitive: "x25519", secret } as const;
    };
    vault.addSlot({ label: "", holder: { kind: "one", leaf }, proof });
    await written(file);
    await expect(vault.save()).rejects.toMatchObject({ code: "VAULT_CHANGED" });
    expect(asked).toBe(0);
    await vault.close();
  });

  test("a file that changes in the last moment is not overwritten either", async () => {
    const { file, state } = await vaultOnce();
    const vault = await openVault(file, [source], { state });
    vault.set("name", { value: utf8Bytes("new") });
    const other = utf8Bytes("somebody without manners");
    // Its own temporary file is on the disk by now; one sync more would be that of the folder.
    const end = watchFileSteps(({ name }) => {
      if (name === "handle.sync") writeFileSync(file, other);
    });
    await expect(vault.save().finally(end)).rejects.toMatchObject({ code: "VAULT_CHANGED" });
    expect(new Uint8Array(readFileSync(file))).toEqual(other);
    await vault.close();
  });

  test("a writer says so before anybody is asked for a PIN", async () => {
    const { file } = await vaultOnce();
    const first = await openVault(file, [source], { write: true });
    let asked = 0;
    const counting = {
      ...source,
      match: async () => {
        asked++;
        return [];
      },
    };
    const second = openVault(file, [counting], { write: true });
    await expect(second).rejects.toMatchObject({ code: "VAULT_LOCKED", kind: "conflict" });
    expect(asked).toBe(0);
    const reader = await openVault(file, [source]);
    await expect(reader.save()).rejects.toMatchObject({ code: "VAULT_LOCKED", details: { pid: process.pid } });
    await first.close();
    await reader.save();
    await reader.close();
  });

  test("the lock is given back when the vault does not open", async () => {
    const { file } = await vaultOnce();
    await expect(openVault(file, [], { write: true })).rejects.toMatchObject({ code: "VAULT_NO_OPENER" });
    expect(existsSync(`${file}.lock`)).toBe(false);
  });
});

describe("the lock", () => {
  function lockedBy(holder: unknown): string {
    const target = join(root, `lock${count++}`);
    writeFileSync(`${target}.lock`, typeof holder === "string" ? holder : JSON.stringify(holder));
    return target;
  }

  test("of a process that died here is taken over", async () => {
    const dead = await ended("-e", ["0"]);
    const target = lockedBy({ pid: dead.pid, host: hostname(), began: "1", since: "then" });
    await (await takeVaultLock(target))();
    expect(existsSync(`${target}.lock`)).toBe(false);
  });

  test("of a process whose number another one has now is taken over", async () => {
    const target = lockedBy({ pid: process.pid, host: hostname(), began: "1", since: "then" });
    await (await takeVaultLock(target))();
  });

  test.each<[string, unknown]>([
    ["a living process", { pid: process.ppid, host: hostname(), began: null, since: "then" }],
    ["another machine", { pid: 1, host: `not-${hostname()}`, began: "1", since: "then" }],
    ["something unknown", "occupied"],
    ["nobody, cut off while it was written", ""],
  ])("of %s is respected", async (_who, holder) => {
    const target = lockedBy(holder);
    await expect(takeVaultLock(target)).rejects.toMatchObject({ code: "VAULT_LOCKED" });
    expect(existsSync(`${target}.lock`)).toBe(true);
  });

  test("is never given back for somebody else", async () => {
    const target = join(root, `lock${count++}`);
    const release = await takeVaultLock(target);
    rmSync(`${target}.lock`);
    writeFileSync(`${target}.lock`, "another's");
    await release();
    expect(readFileSync(`${target}.lock`, "utf8")).toBe("another's");
  });

  test("works where there are no hard links", async () => {
    const target = join(root, `lock${count++}`);
    const end = watchFileSteps(({ name }) => {
      if (name === "link") throw Object.assign(new Error("EPERM"), { code: "EPERM" });
    });
    try {
      const release = await takeVaultLock(target);
      await expect(takeVaultLock(target)).rejects.toMatchObject({ code: "VAULT_LOCKED" });
      await release();
      await (await takeVaultLock(target))();
    } finally {
      end();
    }
  });
});

test("a vault is written where there are no hard links, backup and all", async () => {
  const { file, state, before } = await vaultOnce();
  const end = watchFileSteps(({ name }) => {
    if (name === "link") throw Object.assign(new Error("EPERM"), { code: "EPERM" });
  });
  await written(file, { state }).finally(end);
  expect(await content({ file, state })).toBe("new");
  expect(readFileSync(`${file}.bak`)).toEqual(before);
});

test("a vault with a second name is not changed under that one", async () => {
  const { file, state, before } = await vaultOnce();
  linkSync(file, `${file}.kept`);
  await written(file, { state });
  expect(readFileSync(`${file}.kept`)).toEqual(before);
});

function ended(script: string, words: readonly string[]) {
  const child = spawn(process.execPath, [script, ...words], { stdio: ["ignore", "pipe", "inherit"] });
  child.stdout.resume();
  return new Promise<{ code: number | null; signal: string | null; pid: number }>((resolve) => {
    child.once("close", (code, signal) => resolve({ code, signal, pid: child.pid ?? 0 }));
  });
}
