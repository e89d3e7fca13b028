import { randomBytes } from "node:crypto";
import { type FileHandle, link, lstat, mkdir, open, rename, rm } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { toHex } from "../bytes/hex.ts";
import { HsmError, messageOf } from "../errors.ts";

/**
 * Writes a file that only its owner may read, so that a crash leaves the old or the new one and never half of it.
 * The folder is made (mode 0700) when it is missing; one that exists is left as it is.
 */
export async function writePrivateFile(path: string, text: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  await writeWhole(path, text, 0o600, rename);
}

export interface NewFileOptions {
  /** Replace a file of this name. */
  readonly overwrite: boolean;
  /** 0600 unless told otherwise. */
  readonly mode?: number;
}

/**
 * Writes a file somebody asked for by name: a crash leaves no file or a whole one, and one that is there already is
 * replaced only when that is wanted.
 * @throws HsmError `FILE_EXISTS` (conflict), `FILE_NOT_WRITABLE` (service)
 */
export async function writeNewFile(path: string, content: Uint8Array, options: NewFileOptions): Promise<void> {
  await writeNewFileFrom(path, (file) => file.writeFile(content), options);
}

/**
 * As {@link writeNewFile}, for content of any length. A file that is there and may not be replaced is found before
 * anything is written.
 * @param fill writes the content; when it throws there is no file
 * @throws also what `fill` throws, where that is an HsmError
 */
export async function writeNewFileFrom(
  path: string,
  fill: (file: FileHandle) => Promise<void>,
  options: NewFileOptions,
): Promise<void> {
  if (!options.overwrite && (await fileExists(path))) throw fileTaken(path);
  try {
    await writeWhole(resolve(path), fill, options.mode ?? 0o600, options.overwrite ? rename : place);
  } catch (cause) {
    throw cause instanceof HsmError ? cause : fileNotWritable(path, messageOf(cause), cause);
  }
}

/** Whether anything has this name. */
export async function fileExists(path: string): Promise<boolean> {
  return lstat(path).then(
    () => true,
    () => false,
  );
}

export function fileTaken(path: string): HsmError {
  return new HsmError("FILE_EXISTS", "conflict", `${path} exists and is left as it is`, {
    advice: "name another file, or give `--yes` to replace this one",
  });
}

export function fileNotWritable(path: string, reason: string, cause?: unknown): HsmError {
  return new HsmError("FILE_NOT_WRITABLE", "service", `${path} cannot be written: ${reason}`, {
    advice: "name a file in a folder that exists and that you may write to",
    cause,
  });
}

/**
 * Writes under a temporary name in the same folder, syncs, has it put in place, and syncs the folder. What `putInPlace`
 * throws leaves everything as it was.
 */
export async function writeWhole(
  path: string,
  content: string | Uint8Array | ((file: FileHandle) => Promise<void>),
  mode: number,
  putInPlace: (temporary: string, path: string) => Promise<void>,
): Promise<void> {
  const temporary = join(dirname(path), `.${basename(path)}.${toHex(randomBytes(6))}.tmp`);
  try {
    const file = await open(temporary, "wx", mode);
    try {
      await (typeof content === "function" ? content(file) : file.writeFile(content));
      await file.sync();
    } finally {
      await file.close();
    }
    await putInPlace(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  await syncFolder(dirname(path));
}

/** Unlike a rename a link never takes a name that came into use meanwhile. */
async function place(temporary: string, path: string): Promise<void> {
  try {
    await link(temporary, path);
  } catch {
    if (await fileExists(path)) throw fileTaken(path);
    // A file system without hard links: the look has to do.
    await rename(temporary, path);
    return;
  }
  await rm(temporary, { force: true });
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
