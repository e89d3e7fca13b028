import { randomUUID } from "node:crypto";
import { linkSync, readFileSync, renameSync, unlinkSync, writeFileSync } from "node:fs";
import { TransportError } from "../apdu/transport-error.ts";

/** Who holds a lock: the process id, and where the system tells it the time it began, as ids are used again. */
interface Holder {
  readonly pid: number;
  readonly began: string | null;
}

/** How often a lock of a dead process may come back while we take it over. */
const takeovers = 5;

/**
 * Takes the lock file, so that two processes never hold one token. The lock of a process that died is taken over.
 * @returns what gives it back; a second call does nothing
 * @throws TransportError `SHARING_VIOLATION` while another process, or another channel of this one, holds it
 */
export function takeLock(path: string, what: string): () => void {
  const mine = `${path}.${process.pid}.${randomUUID()}`;
  const content = JSON.stringify({ pid: process.pid, began: beginningOf(process.pid) } satisfies Holder);
  writeFileSync(mine, content, { mode: 0o600, flag: "wx" });
  try {
    for (let i = 0; i < takeovers; i++) {
      if (linked(mine, path)) return giveBack(path, content);
      const held = read(path);
      if (held === null) continue; // Given back in between.
      const holder = holderOf(held);
      if (holder !== null && lives(holder)) throw heldBy(holder.pid, what);
      setAside(path, held, `${mine}.stale`);
    }
    throw heldBy(null, what);
  } finally {
    unlinkSync(mine);
  }
}

function giveBack(path: string, content: string): () => void {
  let given = false;
  return () => {
    if (given) return;
    given = true;
    // Somebody may have removed the folder, or taken over a lock that looked dead to them.
    if (read(path) === content) unlinkSync(path);
  };
}

/** Whether `path` is now a name of our file: the one step that only one process can win. */
function linked(mine: string, path: string): boolean {
  try {
    linkSync(mine, path);
    return true;
  } catch (error) {
    if (codeOf(error) === "EEXIST") return false;
    throw error;
  }
}

/** Takes a dead lock away; puts it back when it turns out to be somebody's new one. */
function setAside(path: string, expected: string, aside: string): void {
  try {
    renameSync(path, aside);
  } catch {
    return; // Somebody else was faster.
  }
  if (read(aside) !== expected) linked(aside, path);
  unlinkSync(aside);
}

function read(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if (codeOf(error) === "ENOENT") return null;
    throw error;
  }
}

/** `null`: not a lock of ours, or cut off while its machine died. */
function holderOf(text: string): Holder | null {
  try {
    const { pid, began } = JSON.parse(text) as Partial<Holder>;
    return typeof pid === "number" && pid > 0 ? { pid, began: typeof began === "string" ? began : null } : null;
  } catch {
    return null;
  }
}

function lives({ pid, began }: Holder): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if (codeOf(error) === "ESRCH") return false; // EPERM: it lives, under another user.
  }
  return began === null || beginningOf(pid) === began;
}

/** Start time of a process in clock ticks since boot (Linux), else `null`. */
function beginningOf(pid: number): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? null; // Field 22; the name in field 2 may hold spaces.
  } catch {
    return null;
  }
}

function heldBy(pid: number | null, what: string): TransportError {
  return new TransportError("SHARING_VIOLATION", `${what} is in use by ${pid === null ? "others" : `process ${pid}`}`, {
    layer: "sim",
    advice: "end that process, or use another token; `hsmadm simulator serve` holds its tokens as long as it runs",
  });
}

export function codeOf(error: unknown): string | undefined {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : undefined;
}
