import { createHash } from "node:crypto";
import { readFile, stat } from "node:fs/promises";
import { toHex } from "../../bytes/hex.ts";
import { HsmError, messageOf } from "../../errors.ts";
import { fileExists, fileTaken } from "../../services/atomic-file.ts";
import { usage } from "../failure.ts";

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
    if (await fileExists(path)) throw fileTaken(path);
  }
}

/** By which two copies of a file are told apart: public, the file is encrypted. */
export function sha256(content: Uint8Array): string {
  return toHex(new Uint8Array(createHash("sha256").update(content).digest()));
}
