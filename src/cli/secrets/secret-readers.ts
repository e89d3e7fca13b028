import { spawn } from "node:child_process";
import { createReadStream, fstatSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { Socket } from "node:net";
import type { Readable } from "node:stream";
import { concat, utf8Bytes } from "../../bytes/bytes.ts";
import { HsmError, messageOf } from "../../errors.ts";
import { usage } from "../failure.ts";
import { interrupted, throwIfInterrupted } from "../interruption.ts";
import type { CliIo } from "../io.ts";

/** More than any password; a device or a wrong file ends here instead of filling the memory. */
const longestSecret = 64 * 1024;

/** Less one trailing LF or CRLF, which an editor or `echo` put there. */
export function withoutLineEnd(bytes: Uint8Array): Uint8Array {
  let end = bytes.length;
  if (bytes[end - 1] === 0x0a) {
    end -= 1;
    if (bytes[end - 1] === 0x0d) end -= 1;
  }
  return bytes.slice(0, end);
}

/**
 * The whole file, which must be the user's own and readable by nobody else.
 * @throws HsmError `SECRET_FILE_OPEN_TO_OTHERS`, `SECRET_UNREADABLE`
 */
export async function readSecretFile(option: string, path: string, userId: number | null): Promise<Uint8Array> {
  let file: FileHandle;
  try {
    file = await open(path, "r");
  } catch (cause) {
    throw unreadable(`${option}: the file ${path} cannot be read: ${messageOf(cause)}`, cause);
  }
  try {
    // Asked of the open file, not of the path: nobody can exchange the file in between.
    const { uid, mode, size } = await file.stat();
    if (userId !== null && uid !== userId) {
      throw usage(
        "SECRET_FILE_OPEN_TO_OTHERS",
        `${option}: the file ${path} belongs to another user`,
        "use a file of your own",
      );
    }
    if (userId !== null && (mode & 0o077) !== 0) {
      const octal = (mode & 0o777).toString(8).padStart(4, "0");
      throw usage(
        "SECRET_FILE_OPEN_TO_OTHERS",
        `${option}: the file ${path} has mode ${octal}, others can read or change it`,
        `chmod 600 ${path}`,
      );
    }
    if (size > longestSecret) throw unreadable(`${option}: the file ${path} is too long for a secret`);
    return withoutLineEnd(new Uint8Array(await file.readFile()));
  } catch (cause) {
    if (cause instanceof HsmError) throw cause;
    throw unreadable(`${option}: the file ${path} cannot be read: ${messageOf(cause)}`, cause);
  } finally {
    await file.close();
  }
}

/** Everything up to the end of an inherited file descriptor. @throws HsmError `SECRET_UNREADABLE` */
export async function readSecretFd(option: string, fd: number, signal: AbortSignal): Promise<Uint8Array> {
  let stream: Readable;
  let isFile = false;
  try {
    const kind = fstatSync(fd);
    isFile = !kind.isFIFO() && !kind.isSocket();
    // A pipe is read without a thread of libuv's pool, so that Ctrl-C need not wait for the writer.
    stream = isFile
      ? createReadStream("", { fd, autoClose: false, emitClose: false })
      : new Socket({ fd, readable: true, writable: false });
  } catch (cause) {
    throw unreadable(`${option}: file descriptor ${fd} is not open`, cause);
  }
  try {
    return withoutLineEnd(await collect(stream, signal, `${option}: file descriptor ${fd}`));
  } catch (cause) {
    if (cause instanceof HsmError) throw cause;
    throw unreadable(`${option}: file descriptor ${fd} cannot be read: ${messageOf(cause)}`, cause);
  } finally {
    if (!isFile) stream.destroy();
  }
}

/** @throws HsmError `SECRET_UNREADABLE` */
export function readSecretVariable(option: string, name: string, env: CliIo["env"]): Uint8Array {
  const value = env[name];
  if (value === undefined) throw unreadable(`${option}: the environment variable ${name} is not set`);
  return utf8Bytes(value);
}

export interface HelperQuestion {
  /** `Passphrase for X`, `New passphrase for X (again)`: a noun phrase without colon. */
  readonly message: string;
  /** The device. */
  readonly whom: string;
  readonly isNew: boolean;
  readonly again: boolean;
}

/**
 * Asks a helper with the semantics of TZPFMS_PASSPHRASE_HELPER: `/bin/sh -c HELPER HELPER message whom new again`,
 * the secret on its standard output less one line feed.
 * @returns `null` when the helper ended with 127: it is not there, ask on the terminal instead
 * @throws HsmError `SECRET_HELPER_FAILED` for any other end than 0; the helper's text is not repeated
 */
export async function askHelper(
  option: string,
  helper: string,
  question: HelperQuestion,
  env: CliIo["env"],
  signal: AbortSignal,
): Promise<Uint8Array | null> {
  throwIfInterrupted(signal);
  const words = [question.message, question.whom, question.isNew ? "new" : "", question.again ? "again" : ""];
  const child = spawn("/bin/sh", ["-c", helper, helper, ...words], {
    stdio: ["inherit", "pipe", "inherit"],
    env: { ...env },
  });
  const ended = new Promise<{ code: number | null; name: string | null }>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code, name) => resolve({ code, name }));
  });
  ended.catch(() => undefined);
  let bytes: Uint8Array;
  try {
    bytes = await collect(child.stdout, signal, `the helper of ${option}`);
  } catch (error) {
    child.kill();
    throw error;
  }
  const { code, name } = await ended.catch((cause) => {
    throw helperFailed(option, `cannot be started: ${messageOf(cause)}`);
  });
  if (name !== null) throw helperFailed(option, `died of signal ${name}`);
  if (code === 127) return null;
  if (code !== 0) throw helperFailed(option, `failed with exit code ${code}`);
  const secret = withoutLineEnd(bytes);
  bytes.fill(0);
  if (secret.length === 0) throw helperFailed(option, "gave nothing");
  return secret;
}

async function collect(stream: Readable, signal: AbortSignal, what: string): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let length = 0;
  const stop = () => stream.destroy(interrupted());
  signal.addEventListener("abort", stop, { once: true });
  try {
    throwIfInterrupted(signal);
    for await (const chunk of stream) {
      const part = chunk as Uint8Array;
      length += part.length;
      if (length > longestSecret) throw unreadable(`${what} gave too much for a secret`);
      parts.push(part);
    }
    return concat(...parts);
  } finally {
    signal.removeEventListener("abort", stop);
    for (const part of parts) part.fill(0);
  }
}

function helperFailed(option: string, what: string): HsmError {
  return new HsmError("SECRET_HELPER_FAILED", "cancelled", `the helper of ${option} ${what}`, {
    advice: "run the helper by itself; it must print the secret and end with 0",
  });
}

function unreadable(message: string, cause?: unknown): HsmError {
  return new HsmError("SECRET_UNREADABLE", "usage", message, cause === undefined ? {} : { cause });
}
