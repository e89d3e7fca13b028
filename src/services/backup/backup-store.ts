import { access, constants, readFile, stat } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { HsmError, messageOf } from "../../errors.ts";
import { fileExists, fileNotWritable, fileTaken } from "../atomic-file.ts";

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
 * @throws HsmError `FILE_EXISTS` (conflict), `FILE_NOT_WRITABLE` (service)
 */
export async function requireFreePath(path: string, overwrite: boolean): Promise<void> {
  if (!overwrite && (await fileExists(path))) throw fileTaken(path);
  try {
    await access(dirname(resolve(path)), constants.W_OK);
  } catch (cause) {
    throw fileNotWritable(path, messageOf(cause), cause);
  }
}
