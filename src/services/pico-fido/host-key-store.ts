import { readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { fromHex, toHex } from "../../bytes/hex.ts";
import { hostKeyId } from "../../crypto/pico-fido/host-key.ts";
import { HsmError, messageOf } from "../../errors.ts";
import { writePrivateFile } from "../atomic-file.ts";

/**
 * `pending`: kept before the token was sent anything, and what it did with it is not known. `in-use`: the token was
 * unlocked with it. `retired`: the lock was disabled; a backup file made before still needs it.
 */
export type HostKeyState = "pending" | "in-use" | "retired";

/** A host key and what one has to know to find its token again: a Pico FIDO tells no serial number. */
export interface HostKeyRecord {
  /** `hostKeyId`. */
  readonly id: string;
  /** 32 bytes, the caller overwrites them. */
  readonly hostKey: Uint8Array;
  readonly state: HostKeyState;
  readonly created: string;
  /** Where the token was: `fido:/dev/hidraw3`. */
  readonly device: string;
  readonly product: string | null;
  /** Of the firmware it was used with last: `5.12`, and the versions a backup can be carried between. */
  readonly firmware: string;
  readonly family: string;
}

/**
 * The host keys of this computer's user, a file for each, mode 0600. Each enabled token has its own; no entry ever takes
 * the place of another one.
 */
export class HostKeyStore {
  readonly #folder: string;

  /** @param folder made (mode 0700) when the first key is kept */
  constructor(folder: string) {
    this.#folder = folder;
  }

  /** Every key, those in use first, newer ones before older ones. @throws HsmError `HOST_KEY_STORE_UNREADABLE` */
  async all(): Promise<HostKeyRecord[]> {
    let names: string[];
    try {
      names = await readdir(this.#folder);
    } catch (error) {
      if (codeOf(error) === "ENOENT") return [];
      throw unreadable(this.#folder, messageOf(error));
    }
    const records: HostKeyRecord[] = [];
    for (const name of names.filter((one) => /^[0-9a-f]{16}\.json$/.test(one))) records.push(await this.#read(name));
    const rank: Record<HostKeyState, number> = { "in-use": 0, pending: 1, retired: 2 };
    return records.sort((a, b) => rank[a.state] - rank[b.state] || b.created.localeCompare(a.created));
  }

  /** Keeps a key and reads it back; an older record of the same key is replaced by it. @throws HsmError when it is not there after */
  async keep(record: HostKeyRecord): Promise<void> {
    const { hostKey, ...rest } = record;
    const path = join(this.#folder, `${record.id}.json`);
    const content = { schemaVersion: 1, ...rest, hostKey: toHex(hostKey).toLowerCase() };
    try {
      await writePrivateFile(path, `${JSON.stringify(content, null, 2)}\n`);
    } catch (cause) {
      throw new HsmError(
        "HOST_KEY_NOT_KEPT",
        "service",
        `the host key could not be kept in ${path}: ${messageOf(cause)}`,
        {
          advice: "nothing was sent to the token that needs it; set HSMADM_HOME to a folder of your own",
          cause,
        },
      );
    }
    // A record is one only if its key has the id it is named by.
    (await this.#read(`${record.id}.json`)).hostKey.fill(0);
  }

  /** Forgets a key that no token was ever given. */
  async forget(id: string): Promise<void> {
    await rm(join(this.#folder, `${id}.json`), { force: true });
  }

  async #read(name: string): Promise<HostKeyRecord> {
    const path = join(this.#folder, name);
    let value: unknown;
    try {
      value = JSON.parse(await readFile(path, "utf8"));
    } catch (error) {
      // What JSON.parse says can quote the file.
      throw unreadable(path, error instanceof SyntaxError ? "it is not JSON" : messageOf(error));
    }
    const record = recordOf(value);
    if (record === null) throw unreadable(path, "it is no record of a host key");
    return record;
  }
}

function recordOf(value: unknown): HostKeyRecord | null {
  if (typeof value !== "object" || value === null) return null;
  const { schemaVersion, id, hostKey, state, created, device, product, firmware, family } = value as Record<
    string,
    unknown
  >;
  if (schemaVersion !== 1 || typeof hostKey !== "string" || !/^[0-9a-f]{64}$/.test(hostKey)) return null;
  if (state !== "pending" && state !== "in-use" && state !== "retired") return null;
  if (typeof id !== "string" || typeof created !== "string" || typeof device !== "string") return null;
  if (typeof firmware !== "string" || typeof family !== "string") return null;
  const key = fromHex(hostKey);
  try {
    if (hostKeyId(key) !== id) return null;
  } catch {
    return null;
  }
  return {
    id,
    hostKey: key,
    state,
    created,
    device,
    product: typeof product === "string" ? product : null,
    firmware,
    family,
  };
}

function unreadable(path: string, reason: string): HsmError {
  return new HsmError("HOST_KEY_STORE_UNREADABLE", "check-failed", `${path} cannot be used: ${reason}`, {
    advice: "put back a copy of it, or move it away: its token then needs the words or the older tool's key",
  });
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && "code" in error ? error.code : undefined;
}
