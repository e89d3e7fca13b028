import { randomBytes } from "node:crypto";
import { readFile, realpath, rename } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { setTimeout } from "node:timers/promises";
import { concat, utf8Bytes } from "../../bytes/bytes.ts";
import { toHex } from "../../bytes/hex.ts";
import { HsmError, messageOf } from "../../errors.ts";
import { fileNotWritable, writeWhole } from "../atomic-file.ts";
import { takeVaultLock } from "../vault/file/vault-lock.ts";
import { type CeremonyRecord, entryHash, entryLine, noPrevious, readRecord } from "./ceremony-chain.ts";
import {
  type CeremonyClosing,
  type CeremonyEntry,
  type CeremonyOpening,
  type CommandFacts,
  recordFormat,
  recordVersion,
} from "./ceremony-entry.ts";
import { type CeremonyMemory, rememberHead, requireRemembered } from "./ceremony-memory.ts";

/** Who writes, and when. */
export interface CeremonyWriter {
  readonly now: Date;
  /** `hsmadm 0.1.0` */
  readonly tool: string;
  readonly memory: CeremonyMemory;
}

type Linked = "sequence" | "previous" | "hash" | "time" | "tool";
export type NewEntry = ({ readonly kind: "command" } & CommandFacts) | Omit<CeremonyClosing, Linked | "signature">;

/** Signs the hash of a closing entry. */
export type ClosingSigner = (hash: string) => Promise<Uint8Array>;

/** Most of a record that is read: some hundred thousand commands. */
const longestRecord = 256 * 1024 * 1024;
/** How long another writer may have the file, in milliseconds, and how often it is asked. */
const patience = 10_000;
const pause = 50;

/**
 * Reads a record and holds it against what this computer remembers of it.
 * @throws HsmError `CEREMONY_NOT_READABLE` (service), and as `readRecord` and `requireRemembered`
 */
export async function readCeremony(path: string, memory: CeremonyMemory): Promise<CeremonyRecord> {
  const record = readRecord(await contentOf(path));
  await requireRemembered(memory, record);
  return record;
}

/**
 * Whether something can be added: checked before a token is touched.
 * @returns the record, `null` where there is none yet
 * @throws HsmError `CEREMONY_CLOSED` (conflict), `FILE_NOT_WRITABLE` (service), and as {@link readCeremony}
 */
export async function openCeremony(path: string, memory: CeremonyMemory): Promise<CeremonyRecord | null> {
  const target = await targetOf(path);
  if (!(await exists(target))) {
    const folder = dirname(target);
    if (!(await exists(folder))) throw fileNotWritable(path, `there is no folder ${folder}`);
    return null;
  }
  const record = await readCeremony(target, memory);
  if (record.closing !== null) throw closed(path, record.closing);
  return record;
}

/**
 * Adds an entry; a record that is not there yet is begun. Nobody else adds one meanwhile, and a crash leaves the record as
 * it was or with the whole entry.
 * @param sign for a closing entry
 * @throws HsmError `CEREMONY_BUSY` (conflict), and as {@link openCeremony}
 */
export async function addEntry(
  path: string,
  entry: NewEntry,
  writer: CeremonyWriter,
  sign?: ClosingSigner,
): Promise<CeremonyRecord> {
  const target = await targetOf(path);
  const giveBack = await lock(target);
  try {
    const found = await openCeremony(target, writer.memory);
    const before = found ?? begun(writer);
    const next = await linkedTo(before, entry, writer, sign);
    const old = found === null ? utf8Bytes(entryLine(before.opening)) : await contentOf(target);
    try {
      await writeWhole(target, concat(old, utf8Bytes(entryLine(next))), 0o600, rename);
    } catch (cause) {
      throw fileNotWritable(path, messageOf(cause), cause);
    }
    const record: CeremonyRecord = {
      opening: before.opening,
      entries: [...before.entries, next],
      head: next.hash,
      closing: next.kind === "closing" ? next : null,
    };
    await rememberHead(writer.memory, record);
    return record;
  } finally {
    await giveBack();
  }
}

function begun({ now, tool }: CeremonyWriter): CeremonyRecord {
  const content = {
    kind: "opening",
    format: recordFormat,
    version: recordVersion,
    id: toHex(randomBytes(16)).toLowerCase(),
    sequence: 0,
    previous: noPrevious,
    time: now.toISOString(),
    tool,
  } as const;
  const opening: CeremonyOpening = { ...content, hash: entryHash(content) };
  return { opening, entries: [opening], head: opening.hash, closing: null };
}

async function linkedTo(
  { entries, head }: CeremonyRecord,
  entry: NewEntry,
  { now, tool }: CeremonyWriter,
  sign?: ClosingSigner,
): Promise<CeremonyEntry> {
  const link = { sequence: entries.length, previous: head, time: now.toISOString(), tool };
  if (entry.kind === "command") {
    const content = { ...entry, ...link };
    return { ...content, hash: entryHash(content) };
  }
  if (sign === undefined) throw new TypeError("a closing entry wants a signature");
  const content = { ...entry, ...link };
  const hash = entryHash(content);
  return { ...content, hash, signature: toHex(await sign(hash)).toLowerCase() };
}

/** Waits for another writer, who is done soon. */
async function lock(target: string): Promise<() => Promise<void>> {
  for (let waited = 0; ; waited += pause) {
    try {
      return await takeVaultLock(target);
    } catch (cause) {
      if (!(cause instanceof HsmError)) throw cause;
      if (cause.kind !== "conflict") throw fileNotWritable(target, "its folder does not let anybody lock it", cause);
      if (waited >= patience) {
        throw new HsmError("CEREMONY_BUSY", "conflict", `another process writes to the ceremony record ${target}`, {
          advice: `wait for it; when nobody writes any more, remove ${target}.lock`,
          cause,
        });
      }
    }
    await setTimeout(pause);
  }
}

async function contentOf(path: string): Promise<Uint8Array> {
  try {
    const content = new Uint8Array(await readFile(path));
    if (content.length <= longestRecord) return content;
  } catch (cause) {
    throw notReadable(path, messageOf(cause), cause);
  }
  throw notReadable(path, "it is too long for one");
}

/** The file itself: a link to it stays one. */
async function targetOf(path: string): Promise<string> {
  const whole = resolve(path);
  return realpath(whole).catch(async () =>
    join(await realpath(dirname(whole)).catch(() => dirname(whole)), basenameOf(whole)),
  );
}

function basenameOf(path: string): string {
  return path.slice(dirname(path).length).replace(/^\/+/, "");
}

async function exists(path: string): Promise<boolean> {
  return realpath(path).then(
    () => true,
    () => false,
  );
}

function notReadable(path: string, reason: string, cause?: unknown): HsmError {
  return new HsmError("CEREMONY_NOT_READABLE", "service", `the ceremony record ${path} cannot be read: ${reason}`, {
    cause,
  });
}

function closed(path: string, { time }: CeremonyClosing): HsmError {
  return new HsmError("CEREMONY_CLOSED", "conflict", `the ceremony record ${path} was closed at ${time}`, {
    advice: "begin another one: `--ceremony` with a new file",
  });
}
