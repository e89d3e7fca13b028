import { createHash, randomUUID } from "node:crypto";
import { link, open, readFile, rename, rm, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { toHex } from "../bytes/hex.ts";
import { HsmError, messageOf } from "../errors.ts";
import { usage } from "./failure.ts";

/** A share file has 64 bytes, its printed form under 200. */
const longest = 64 * 1024;

/** @throws HsmError `FILE_UNREADABLE` (usage), `SHARE_FILE_INVALID` (check-failed) for one that is far too long */
export async function readShareContent(path: string): Promise<Uint8Array> {
  try {
    const { size } = await stat(path);
    if (size > longest) {
      throw new HsmError(
        "SHARE_FILE_INVALID",
        "check-failed",
        `${path} is no DKEK share file: ${size} bytes, it has 64`,
      );
    }
    return new Uint8Array(await readFile(path));
  } catch (cause) {
    if (cause instanceof HsmError) throw cause;
    throw usage("FILE_UNREADABLE", `the file ${path} cannot be read: ${messageOf(cause)}`);
  }
}

/** Says which of several files an error is about. */
export async function named<T>(path: string, work: () => T | Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof HsmError) || !namedCodes.includes(error.code)) throw error;
    const { code, kind, message, advice, details, cause } = error;
    throw new HsmError(code, kind, `${path}: ${message}`, { advice, details, cause });
  }
}

const namedCodes = ["SHARE_PASSWORD_WRONG", "SHARE_FILE_INVALID", "DKEK_SHARE_ZERO"];

/** Known before seconds are spent on the password. @throws HsmError `FILE_EXISTS` (conflict) */
export async function refuseExisting(paths: readonly string[], overwrite: boolean): Promise<void> {
  if (overwrite) return;
  for (const path of paths) {
    if (await isThere(path)) throw exists(path);
  }
}

async function isThere(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

/**
 * A file of mode 0600 that appears under its name only when it is whole, and replaces another only when that is wanted.
 * @throws HsmError `FILE_EXISTS` (conflict), `FILE_NOT_WRITABLE` (service)
 */
export async function writeSecretFile(path: string, content: Uint8Array, overwrite: boolean): Promise<void> {
  const temporary = join(dirname(path), `.${basename(path)}.${randomUUID()}.partial`);
  try {
    const file = await open(temporary, "wx", 0o600);
    try {
      await file.writeFile(content);
      await file.sync();
    } finally {
      await file.close();
    }
    if (overwrite) await rename(temporary, path);
    else await linkNew(temporary, path);
  } catch (cause) {
    await rm(temporary, { force: true }).catch(() => undefined);
    if (cause instanceof HsmError) throw cause;
    throw new HsmError("FILE_NOT_WRITABLE", "service", `${path} cannot be written: ${messageOf(cause)}`, {
      advice: "name a file in a folder that exists and that you may write to",
      cause,
    });
  }
}

/** A hard link never replaces a file that came into being meanwhile; where the file system has none, a look must do. */
async function linkNew(temporary: string, path: string): Promise<void> {
  try {
    await link(temporary, path);
    await rm(temporary);
  } catch {
    if (await isThere(path)) throw exists(path);
    await rename(temporary, path);
  }
}

function exists(path: string): HsmError {
  return new HsmError("FILE_EXISTS", "conflict", `${path} exists and is left as it is`, {
    advice: "name another file, or give `--yes` to replace this one",
  });
}

/** By which two copies of a file are told apart: public, the file is encrypted. */
export function sha256(content: Uint8Array): string {
  return toHex(new Uint8Array(createHash("sha256").update(content).digest()));
}
