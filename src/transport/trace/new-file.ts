import { randomUUID } from "node:crypto";
import { closeSync, existsSync, fsyncSync, linkSync, openSync, renameSync, rmSync, writeSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { HsmError, messageOf } from "../../errors.ts";

/**
 * A text file that appears under its name only when it is whole: lines go into a temporary file beside it (mode 0600),
 * which is synced and renamed at the end. A crash leaves what was there before, and `.NAME.….partial`.
 *
 * Writing is synchronous: a line is in the file before the answer reaches the program, and no line overtakes another.
 */
export class NewFile {
  readonly path: string;
  readonly #overwrite: boolean;
  readonly #temporary: string;
  #descriptor: number | undefined;
  /** The first write that failed; told at the end, because the card's answer must not be lost over a full disk. */
  #failure: unknown;

  /**
   * @param path a name that is free, unless `overwrite`
   * @throws HsmError `TRACE_EXISTS` (conflict), `TRACE_NOT_WRITABLE` (service)
   */
  constructor(path: string, overwrite: boolean) {
    this.path = resolve(path);
    this.#overwrite = overwrite;
    this.#temporary = join(dirname(this.path), `.${basename(this.path)}.${randomUUID()}.partial`);
    if (!overwrite && existsSync(this.path)) throw exists(path);
    try {
      this.#descriptor = openSync(this.#temporary, "wx", 0o600);
    } catch (cause) {
      throw notWritable(path, cause);
    }
  }

  append(text: string): void {
    if (this.#descriptor === undefined || this.#failure !== undefined) return;
    try {
      const bytes = new TextEncoder().encode(text);
      for (let at = 0; at < bytes.length; ) at += writeSync(this.#descriptor, bytes, at);
    } catch (cause) {
      this.#failure = cause;
    }
  }

  /** @throws HsmError `TRACE_NOT_WRITABLE` when any of it could not be written, `TRACE_EXISTS` when the name was taken meanwhile */
  finish(): void {
    const descriptor = this.#descriptor;
    if (descriptor === undefined) return;
    this.#descriptor = undefined;
    try {
      try {
        if (this.#failure !== undefined) throw this.#failure;
        fsyncSync(descriptor);
      } finally {
        closeSync(descriptor);
      }
      this.#rename();
      syncFolder(dirname(this.path));
    } catch (cause) {
      rmSync(this.#temporary, { force: true });
      throw cause instanceof HsmError ? cause : notWritable(this.path, cause);
    }
  }

  /** Leaves nothing behind. */
  abandon(): void {
    if (this.#descriptor === undefined) return;
    closeSync(this.#descriptor);
    this.#descriptor = undefined;
    rmSync(this.#temporary, { force: true });
  }

  /** A hard link never replaces a file that came into being meanwhile; where the file system has none, a look must do. */
  #rename(): void {
    if (!this.#overwrite) {
      try {
        linkSync(this.#temporary, this.path);
        rmSync(this.#temporary);
        return;
      } catch (error) {
        if (codeOf(error) === "EEXIST" || existsSync(this.path)) throw exists(this.path);
      }
    }
    renameSync(this.#temporary, this.path);
  }
}

function syncFolder(folder: string): void {
  let descriptor: number | undefined;
  try {
    descriptor = openSync(folder, "r");
    fsyncSync(descriptor);
  } catch {
    // Not every system lets a folder be synced; the file itself is.
  } finally {
    if (descriptor !== undefined) closeSync(descriptor);
  }
}

function exists(path: string): HsmError {
  return new HsmError("TRACE_EXISTS", "conflict", `${path} exists and is left as it is`, {
    advice: "name another file for the trace, or give `--yes` to replace this one",
  });
}

function notWritable(path: string, cause: unknown): HsmError {
  return new HsmError("TRACE_NOT_WRITABLE", "service", `the trace ${path} cannot be written: ${messageOf(cause)}`, {
    advice: "name a file in a folder that exists and that you may write to",
    cause,
  });
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && "code" in error ? error.code : undefined;
}
