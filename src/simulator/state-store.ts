import { closeSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, rmSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import { HsmError, messageOf } from "../errors.ts";
import { codeOf, takeLock } from "./lock-file.ts";

/** Larger than any state can get: 64 MiB. */
const mostBytes = 64 * 1024 * 1024;

/**
 * The JSON in a state file, not looked into.
 * @returns `null` when there is no such file
 * @throws HsmError `TOKEN_FILE_INVALID` (check-failed) when it is no JSON, `TOKEN_FILE_UNUSABLE` (service)
 */
export function readStateFile(path: string): unknown {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    if (codeOf(error) === "ENOENT") return null;
    throw unusable(path, error);
  }
  try {
    if (text.length > mostBytes) throw new RangeError("too long");
    return JSON.parse(text);
  } catch {
    // JSON.parse quotes what it read, which may be a key: its message is not passed on.
    throw new HsmError("TOKEN_FILE_INVALID", "check-failed", `${path} is not the state of a simulated token: no JSON`, {
      advice: "the file was left as it is; `hsmadm simulator remove` deletes it, another name begins a new token",
    });
  }
}

/**
 * Writes the state so that a crash leaves the old or the new one: under another name in the same folder, synced,
 * renamed. Only the owner can read it, at no moment anybody else.
 */
export function writeStateFile(path: string, state: object): void {
  const temporary = `${path}.new`;
  // What a crash left there may be open to others: it is made anew. Who writes holds the lock.
  rmSync(temporary, { force: true });
  const file = openSync(temporary, "wx", 0o600);
  try {
    const bytes = new TextEncoder().encode(`${JSON.stringify(state, null, 1)}\n`);
    for (let done = 0; done < bytes.length; ) done += writeSync(file, bytes, done);
    fsyncSync(file);
  } catch (error) {
    closeSync(file);
    rmSync(temporary, { force: true });
    throw error;
  }
  closeSync(file);
  renameSync(temporary, path);
  syncFolder(dirname(path));
}

/**
 * Takes the lock beside a state file; its folder is made where it is missing.
 * @returns what gives it back
 * @throws HsmError `TOKEN_FILE_UNUSABLE` (service), TransportError `SHARING_VIOLATION`
 */
export function lockStateFile(path: string, where: string): () => void {
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    return takeLock(`${path}.lock`, where);
  } catch (error) {
    throw error instanceof HsmError ? error : unusable(path, error);
  }
}

/** Deletes the file, and what a crash may have left beside it. Who deletes holds the lock. */
export function removeStateFile(path: string): void {
  rmSync(path);
  rmSync(`${path}.new`, { force: true });
}

/** `where` names what is not there: `sim:demo`. */
export function unknownToken(where: string): HsmError {
  return new HsmError("TOKEN_UNKNOWN", "device", `there is no simulated token ${where}`, {
    advice: "`hsmadm simulator list` shows those that are there",
  });
}

/** The file or its folder cannot be used: rights, space, a file system without hard links. */
export function unusable(path: string, error: unknown): HsmError {
  return new HsmError("TOKEN_FILE_UNUSABLE", "service", `cannot use ${path}: ${messageOf(error)}`, { cause: error });
}

/** The rename itself is on disk only after this. Not every system lets a folder be opened. */
function syncFolder(path: string): void {
  try {
    const folder = openSync(path, "r");
    try {
      fsyncSync(folder);
    } finally {
      closeSync(folder);
    }
  } catch {
    // The content is safe; at worst the old state is found after a power cut.
  }
}
