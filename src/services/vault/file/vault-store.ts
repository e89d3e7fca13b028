import { createHash, randomBytes } from "node:crypto";
import { copyFile, link, lstat, open, readdir, readlink, realpath, rename, rm } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { equal } from "../../../bytes/bytes.ts";
import { toHex } from "../../../bytes/hex.ts";
import { limits } from "../../../crypto/vault/names.ts";
import { HsmError, messageOf } from "../../../errors.ts";
import { fileTaken, writeNewFile, writeWhole } from "../../atomic-file.ts";
import { documentLimits } from "../document/vault-document.ts";
import { codeOf, isAbandonedLock } from "./vault-lock.ts";

/** A vault file as it was read, with what a later write is compared against. */
export interface VaultImage {
  readonly bytes: Uint8Array;
  /** SHA-256 of it. */
  readonly hash: Uint8Array;
}

/** Header, payload with the tag of each 64 KiB, and room to spare. */
const maxFileBytes = limits.headerBytes + documentLimits.payload + 64 * 1024;

export function sha256(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(createHash("sha256").update(bytes).digest());
}

/**
 * The file that is meant: a symbolic link is followed once, so that a write replaces what it leads to and not the link.
 * @throws HsmError `VAULT_PATH_INVALID` (usage) for a link to a link
 */
export async function vaultTarget(path: string): Promise<string> {
  const absolute = await inRealFolder(resolve(path));
  const first = await linkedTo(absolute);
  if (first === null) return absolute;
  if ((await linkedTo(first)) === null) return inRealFolder(first);
  throw new HsmError("VAULT_PATH_INVALID", "usage", `${path} is a symbolic link to another symbolic link`, {
    advice: "name the vault's file itself, or the one link that leads to it",
  });
}

/** One name for one file, by whatever way its folder was reached: the host remembers vaults by it. */
async function inRealFolder(path: string): Promise<string> {
  const folder = await realpath(dirname(path)).catch(() => dirname(path));
  return join(folder, basename(path));
}

async function linkedTo(path: string): Promise<string | null> {
  try {
    return (await lstat(path)).isSymbolicLink() ? resolve(dirname(path), await readlink(path)) : null;
  } catch {
    return null; // Not there: whoever opens it says so.
  }
}

/** @throws HsmError `VAULT_NOT_READABLE` (usage when it is not there, else service), `VAULT_FILE_INVALID` (check-failed) when it is too large for one */
export async function readVaultImage(target: string): Promise<VaultImage> {
  let bytes: Uint8Array;
  try {
    const file = await open(target, "r");
    try {
      const { size } = await file.stat();
      if (size > maxFileBytes) throw tooLarge(target, size);
      bytes = new Uint8Array(await file.readFile());
    } finally {
      await file.close();
    }
  } catch (cause) {
    if (cause instanceof HsmError) throw cause;
    const missing = codeOf(cause) === "ENOENT";
    throw new HsmError(
      "VAULT_NOT_READABLE",
      missing ? "usage" : "service",
      missing ? `there is no vault ${target}` : `the vault ${target} cannot be read: ${messageOf(cause)}`,
      { advice: missing ? "`hsmadm vault create` makes one" : "check who may read it", cause },
    );
  }
  return { bytes, hash: sha256(bytes) };
}

function tooLarge(target: string, size: number): HsmError {
  return new HsmError("VAULT_FILE_INVALID", "check-failed", `${target} has ${size} bytes, no vault has that many`, {
    advice: "a file sealed to a vault is opened with `hsmadm vault unseal`",
  });
}

/**
 * Puts a new generation in the place of the one that was read. A crash leaves the old or the new file.
 * @param expected hash of the file that the new one was built on
 * @param backup keep the old one as `FILE.bak`, in the place of an older one
 * @throws HsmError `VAULT_CHANGED` (conflict), `VAULT_NOT_WRITTEN` (service)
 */
export async function replaceVault(
  target: string,
  bytes: Uint8Array,
  { expected, backup }: { readonly expected: Uint8Array; readonly backup: boolean },
): Promise<void> {
  try {
    await clearAbandoned(target);
    await writeWhole(target, bytes, 0o600, async (temporary, path) => {
      const { hash } = await readVaultImage(path);
      if (!equal(hash, expected)) throw vaultChanged(path);
      if (backup) await keepAsBackup(path);
      await rename(temporary, path);
    });
  } catch (cause) {
    if (cause instanceof HsmError) throw cause;
    throw notWritten(target, "the old file is as it was", cause);
  }
}

/** Writes the first generation; nothing of that name may be there. @throws HsmError `FILE_EXISTS`, `FILE_NOT_WRITABLE` */
export async function createVaultFile(target: string, bytes: Uint8Array): Promise<void> {
  await refuseTaken(target);
  await writeNewFile(target, bytes, { overwrite: false });
}

/** To be asked before anybody is asked for a PIN. @throws HsmError `FILE_EXISTS` (conflict) */
export async function refuseTaken(target: string): Promise<void> {
  const taken = await lstat(target).then(
    () => true,
    () => false,
  );
  if (taken) throw fileTaken(target);
}

export function vaultChanged(path: string): HsmError {
  return new HsmError("VAULT_CHANGED", "conflict", `${path} changed underneath: somebody else wrote it meanwhile`, {
    advice: "nothing was written; run the command again, it starts from the new file",
  });
}

function notWritten(target: string, state: string, cause: unknown): HsmError {
  return new HsmError("VAULT_NOT_WRITTEN", "service", `${target} could not be written: ${messageOf(cause)}`, {
    advice: `${state}; free space or make its folder writable and run the command again`,
    cause,
  });
}

/** The old file under a second name, so that there is no moment without it under its first. */
async function keepAsBackup(path: string): Promise<void> {
  const temporary = join(dirname(path), `.${basename(path)}.${toHex(randomBytes(6))}.tmp`);
  try {
    await link(path, temporary).catch(() => copyFile(path, temporary));
    await rename(temporary, `${path}.bak`);
  } finally {
    await rm(temporary, { force: true });
  }
}

/** What a killed write left beside the file; only whoever holds the lock may call this. */
async function clearAbandoned(target: string): Promise<void> {
  const prefix = `.${basename(target)}.`;
  for (const name of await readdir(dirname(target))) {
    const ours = name.startsWith(prefix) && /^[0-9A-F]{12}\.tmp$/.test(name.slice(prefix.length));
    if (ours || isAbandonedLock(name, target)) await rm(join(dirname(target), name), { force: true });
  }
}
