import { randomBytes } from "node:crypto";
import { link, open, readFile, rename, rm } from "node:fs/promises";
import { hostname } from "node:os";
import { basename } from "node:path";
import { toHex } from "../../../bytes/hex.ts";
import { HsmError, messageOf } from "../../../errors.ts";

/** Who holds a lock. Process ids are used again: where the system tells it, the time the process began goes with it. */
interface LockHolder {
  readonly pid: number;
  readonly host: string;
  readonly began: string | null;
  /** When it was taken, for people. */
  readonly since: string;
}

/** How often a lock of a dead process may come back while it is taken over. */
const takeovers = 5;

/**
 * Takes `FILE.lock` beside the file, so that two writers never build on the same generation. The lock of a process of
 * this machine that died is taken over; one of another machine is not, as nobody here can tell.
 * @returns what gives it back; a second call does nothing
 * @throws HsmError `VAULT_LOCKED` (conflict), `VAULT_NOT_WRITABLE` (service)
 */
export async function takeVaultLock(target: string): Promise<() => Promise<void>> {
  const path = `${target}.lock`;
  const mine = `${path}.${process.pid}.${toHex(randomBytes(4))}`;
  const holder: LockHolder = {
    pid: process.pid,
    host: hostname(),
    began: await beginningOf(process.pid),
    since: new Date().toISOString(),
  };
  const content = `${JSON.stringify(holder)}\n`;
  try {
    await writeExclusively(mine, content);
    for (let i = 0; i < takeovers; i++) {
      // Whoever has the lock clears away what looks left behind, perhaps ours.
      if ((await contentOf(mine)) === null) await writeExclusively(mine, content);
      if (await placed(mine, path, content)) return giveBack(path, content);
      const held = await contentOf(path);
      if (held === null) continue; // Given back in between.
      const other = holderOf(held);
      if (other === null || !(await isDead(other))) throw heldBy(target, other);
      await setAside(path, held, `${mine}.stale`);
    }
    throw heldBy(target, null);
  } catch (error) {
    if (error instanceof HsmError) throw error;
    throw new HsmError("VAULT_NOT_WRITABLE", "service", `${target} cannot be locked: ${messageOf(error)}`, {
      advice: "the vault's folder must be one that you may write to",
      cause: error,
    });
  } finally {
    await rm(mine, { force: true }).catch(() => undefined);
  }
}

function giveBack(path: string, content: string): () => Promise<void> {
  let given = false;
  return async () => {
    if (given) return;
    given = true;
    // Somebody may have taken over a lock that looked dead to them. What cannot be removed now looks dead soon enough,
    // and what was done under the lock is done.
    const held = await contentOf(path).catch(() => null);
    if (held === content) await rm(path, { force: true }).catch(() => undefined);
  };
}

/** Whether `path` is now a name of our file: the one step that only one process can win. */
async function placed(mine: string, path: string, content: string): Promise<boolean> {
  try {
    await link(mine, path);
    return true;
  } catch (error) {
    if (codeOf(error) === "EEXIST") return false;
    // A file system without hard links.
    return writeExclusively(path, content).then(
      () => true,
      (second: unknown) => {
        if (codeOf(second) === "EEXIST") return false;
        throw second;
      },
    );
  }
}

async function writeExclusively(path: string, content: string): Promise<void> {
  const file = await open(path, "wx", 0o600);
  try {
    await file.writeFile(content);
  } finally {
    await file.close();
  }
}

/** Takes a dead lock away; puts it back when it turns out to be somebody's new one. */
async function setAside(path: string, expected: string, aside: string): Promise<void> {
  try {
    await rename(path, aside);
  } catch {
    return; // Somebody else was faster.
  }
  if ((await contentOf(aside)) !== expected) await link(aside, path).catch(() => undefined);
  await rm(aside, { force: true });
}

/** What a process that is dead now left while it took the lock: a name that nobody looks at, not the lock itself. */
export function isAbandonedLock(name: string, target: string): boolean {
  const prefix = `${basename(target)}.lock.`;
  const pid = name.startsWith(prefix)
    ? /^(\d+)\.[0-9A-F]{8}(?:\.stale)?$/.exec(name.slice(prefix.length))?.[1]
    : undefined;
  return pid !== undefined && Number(pid) > 0 && !isThere(Number(pid));
}

async function contentOf(path: string): Promise<string | null> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if (codeOf(error) === "ENOENT") return null;
    throw error;
  }
}

/** `null`: not a lock of ours, or cut off while its machine died. */
function holderOf(text: string): LockHolder | null {
  try {
    const { pid, host, began, since } = JSON.parse(text) as Partial<Record<keyof LockHolder, unknown>>;
    if (typeof pid !== "number" || pid <= 0 || typeof host !== "string") return null;
    return {
      pid,
      host,
      began: typeof began === "string" ? began : null,
      since: typeof since === "string" ? since : "",
    };
  } catch {
    return null;
  }
}

async function isDead({ pid, host, began }: LockHolder): Promise<boolean> {
  if (host !== hostname()) return false;
  if (!isThere(pid)) return true;
  return began !== null && (await beginningOf(pid)) !== began;
}

function isThere(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return codeOf(error) !== "ESRCH"; // EPERM: it lives, under another user.
  }
}

/** Start time of a process in clock ticks since boot (Linux), else `null`. */
async function beginningOf(pid: number): Promise<string | null> {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, "utf8");
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? null; // Field 22; the name in field 2 may hold spaces.
  } catch {
    return null;
  }
}

function heldBy(target: string, holder: LockHolder | null): HsmError {
  const who = holder === null ? "somebody" : `process ${holder.pid} on ${holder.host} since ${holder.since}`;
  return new HsmError("VAULT_LOCKED", "conflict", `${target} is being written by ${who}`, {
    advice: adviceFor(`${target}.lock`, holder),
    details: holder === null ? undefined : { pid: holder.pid, host: holder.host, since: holder.since },
  });
}

function adviceFor(lock: string, holder: LockHolder | null): string {
  if (holder === null) return `it is not known who; when nobody writes any more, remove ${lock}`;
  if (holder.host === hostname()) return `wait until process ${holder.pid} has ended, it gives the lock back`;
  return `whether it still runs can be told on ${holder.host} alone; when it does not, remove ${lock}`;
}

export function codeOf(error: unknown): string | undefined {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : undefined;
}
