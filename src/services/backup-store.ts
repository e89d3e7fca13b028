import { randomBytes } from "node:crypto";
import { access, constants, link, lstat, open, readFile, rename, rm, stat } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { toHex } from "../bytes/hex.ts";
import { HsmError, messageOf } from "../errors.ts";

/** As much as `backup-file.ts` would look at; more is not read into memory. */
const largest = 64 * 1024 * 1024;

/** @throws HsmError `BACKUP_NOT_READABLE` (usage), `BACKUP_INVALID` (check-failed) */
export async function readBackupBytes(path: string): Promise<Uint8Array> {
  let bytes: Uint8Array;
  try {
    const { size } = await stat(path);
    if (size > largest)
      throw new HsmError("BACKUP_INVALID", "check-failed", `not a backup of hsmadm: ${path} is too large`);
    bytes = new Uint8Array(await readFile(path));
  } catch (cause) {
    if (cause instanceof HsmError) throw cause;
    throw new HsmError("BACKUP_NOT_READABLE", "usage", `the backup ${path} cannot be read: ${messageOf(cause)}`, {
      cause,
    });
  }
  return bytes;
}

/**
 * Whether the backup could be written, asked before a card is touched.
 * @throws HsmError `BACKUP_EXISTS` (conflict), `BACKUP_NOT_WRITABLE` (service)
 */
export async function requireFreePath(path: string, overwrite: boolean): Promise<void> {
  if (!overwrite && (await exists(path))) throw taken(path);
  try {
    await access(dirname(resolve(path)), constants.W_OK);
  } catch (cause) {
    throw notWritable(path, cause);
  }
}

/**
 * Writes the backup, mode 0600, so that a crash leaves no file or a whole one: a temporary name in the same folder,
 * synced, then linked (a link never takes a name that came into use meanwhile) or renamed.
 * @throws HsmError `BACKUP_EXISTS` (conflict) unless `overwrite`, `BACKUP_NOT_WRITABLE` (service)
 */
export async function writeBackupBytes(path: string, bytes: Uint8Array, overwrite: boolean): Promise<void> {
  const target = resolve(path);
  const temporary = join(dirname(target), `.${basename(target)}.${toHex(randomBytes(6))}.tmp`);
  try {
    const file = await open(temporary, "wx", 0o600);
    try {
      await file.writeFile(bytes);
      await file.sync();
    } finally {
      await file.close();
    }
    if (overwrite) await rename(temporary, target);
    else await place(temporary, target, path);
    await syncFolder(dirname(target));
  } catch (cause) {
    await rm(temporary, { force: true });
    throw cause instanceof HsmError ? cause : notWritable(path, cause);
  }
}

async function place(temporary: string, target: string, path: string): Promise<void> {
  try {
    await link(temporary, target);
  } catch (error) {
    if (await exists(target)) throw taken(path);
    // File systems without hard links: the look above has to do.
    if (!(error instanceof Error)) throw error;
    await rename(temporary, target);
    return;
  }
  await rm(temporary, { force: true });
}

async function exists(path: string): Promise<boolean> {
  try {
    await lstat(path);
    return true;
  } catch {
    return false;
  }
}

// Not every file system can sync a folder; the file itself is whole either way.
async function syncFolder(folder: string): Promise<void> {
  try {
    const handle = await open(folder, "r");
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  } catch {
    return;
  }
}

function taken(path: string): HsmError {
  return new HsmError("BACKUP_EXISTS", "conflict", `${path} exists and is left as it is`, {
    advice: "name another file, or give `--yes` to replace this one",
  });
}

function notWritable(path: string, cause: unknown): HsmError {
  return new HsmError("BACKUP_NOT_WRITABLE", "service", `the backup ${path} cannot be written: ${messageOf(cause)}`, {
    advice: "name a file in a folder that exists and that you may write to",
    cause,
  });
}
