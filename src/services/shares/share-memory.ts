import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import { readFile } from "node:fs/promises";
import { fromHex, toHex } from "../../bytes/hex.ts";
import { HsmError, messageOf } from "../../errors.ts";
import { writePrivateFile } from "../atomic-file.ts";

/**
 * Which shares went into a key domain that still waits for others. A token takes the same share twice without a word, and
 * both then cancel each other; custodians come on different days, so the memory outlives the command.
 * `token` is `TokenIdentity.key`.
 */
export interface ShareMemory {
  /**
   * @param imported how many shares the token says it has: what was noted at that count or above it did not arrive, or
   *   went away with an earlier initialisation
   */
  knows(token: string, domain: number, imported: number, share: Uint8Array): Promise<boolean>;
  /** To be called before a share is sent, so that a lost answer leaves no gap. @param imported how many are in already */
  note(token: string, domain: number, imported: number, share: Uint8Array): Promise<void>;
  /** The key is complete: nothing more to remember. */
  forget(token: string, domain: number): Promise<void>;
}

interface Entry {
  readonly token: string;
  readonly domain: number;
  /** 16 bytes in hex. */
  readonly salt: string;
  readonly shares: readonly Remembered[];
}

interface Remembered {
  /** How many shares were in when this one was sent. */
  readonly after: number;
  /** HMAC-SHA-256 of the share under the salt, in hex. A share is 32 random bytes: nobody finds it by guessing. */
  readonly digest: string;
}

const maxEntries = 10_000;

/**
 * The memory in this file, made (mode 0600) at the first share that is not the last one.
 * All verbs throw HsmError `SHARE_MEMORY_UNREADABLE` (refused) when the file is there and is none of ours.
 */
export function fileShareMemory(path: string): ShareMemory {
  return {
    async knows(token, domain, imported, share) {
      const entry = entryFor(await read(path), token, domain);
      if (entry === undefined) return false;
      const asked = digest(entry.salt, share);
      return entry.shares.some((known) => known.after < imported && same(fromHex(known.digest), asked));
    },

    async note(token, domain, imported, share) {
      if (token === "") return;
      const entries = await read(path);
      const known = entryFor(entries, token, domain);
      const salt = known?.salt ?? toHex(new Uint8Array(randomBytes(16)));
      const before = known?.shares.filter(({ after }) => after < imported) ?? [];
      const shares = [...before, { after: imported, digest: toHex(digest(salt, share)) }];
      await write(path, [...without(entries, token, domain), { token, domain, salt, shares }]);
    },

    async forget(token, domain) {
      const entries = await read(path);
      const rest = without(entries, token, domain);
      if (rest.length < entries.length) await write(path, rest);
    },
  };
}

function entryFor(entries: readonly Entry[], token: string, domain: number): Entry | undefined {
  return entries.find((entry) => entry.token === token && entry.domain === domain);
}

function without(entries: readonly Entry[], token: string, domain: number): Entry[] {
  return entries.filter((entry) => entry.token !== token || entry.domain !== domain);
}

function digest(salt: string, share: Uint8Array): Uint8Array {
  return new Uint8Array(createHmac("sha256", fromHex(salt)).update(share).digest());
}

function same(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && timingSafeEqual(a, b);
}

async function read(path: string): Promise<readonly Entry[]> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (cause) {
    if (cause instanceof Error && "code" in cause && cause.code === "ENOENT") return [];
    throw unreadable(path, "it cannot be read", cause);
  }
  try {
    return parse(text);
  } catch (cause) {
    throw unreadable(path, messageOf(cause), cause);
  }
}

async function write(path: string, entries: readonly Entry[]): Promise<void> {
  try {
    await writePrivateFile(path, `${JSON.stringify({ schemaVersion: 1, entries }, null, 2)}\n`);
  } catch (cause) {
    throw new HsmError("SHARE_MEMORY_NOT_WRITTEN", "unexpected", `${path} could not be written: ${messageOf(cause)}`, {
      advice: "free space or make its folder writable; nothing else remembers which shares went in",
      cause,
    });
  }
}

/** Any fields of any object that JSON can hold. */
type Fields = Partial<Record<"schemaVersion" | "entries" | keyof Entry | keyof Remembered, unknown>>;

function parse(text: string): readonly Entry[] {
  const value = JSON.parse(text) as unknown;
  const { schemaVersion, entries } = isRecord(value) ? value : {};
  if (schemaVersion !== 1 || !Array.isArray(entries) || entries.length > maxEntries) {
    throw noMemory();
  }
  return entries.map(entryOf);
}

function entryOf(value: unknown): Entry {
  const { token, domain, salt, shares } = isRecord(value) ? value : {};
  const known = Array.isArray(shares) && shares.length <= 255 ? shares : null;
  if (isHex(token) && isCount(domain) && isHex(salt) && known !== null) {
    return { token, domain, salt, shares: known.map(rememberedOf) };
  }
  throw noMemory();
}

function rememberedOf(value: unknown): Remembered {
  const { after, digest: known } = isRecord(value) ? value : {};
  if (isCount(after) && isHex(known)) return { after, digest: known };
  throw noMemory();
}

function noMemory(): HsmError {
  return new HsmError("SHARE_MEMORY_INVALID", "check-failed", "it is no memory of shares");
}

function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= 255;
}

function isRecord(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isHex(value: unknown): value is string {
  return typeof value === "string" && /^(?:[0-9A-Fa-f]{2}){1,64}$/.test(value);
}

function unreadable(path: string, problem: string, cause: unknown): HsmError {
  return new HsmError(
    "SHARE_MEMORY_UNREADABLE",
    "refused",
    `the memory of imported shares ${path} does not serve: ${problem}`,
    { advice: "move the file away, or use `--no-ledger` for this command; the share was NOT sent", cause },
  );
}
