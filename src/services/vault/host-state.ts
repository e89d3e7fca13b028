import { createHash, createHmac, timingSafeEqual } from "node:crypto";
import { readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { equal, utf8Bytes } from "../../bytes/bytes.ts";
import { fromHex, toHex } from "../../bytes/hex.ts";
import { vaultIdGrammar } from "../../crypto/vault/vault-seed.ts";
import { HsmError, messageOf } from "../../errors.ts";
import { writePrivateFile } from "../atomic-file.ts";
import { codeOf } from "./file/vault-lock.ts";

/** What this host remembers of a vault: the witness against another vault, or an older one, under the same name. */
export interface RememberedVault {
  /** Absolute, links followed. */
  readonly path: string;
  readonly id: string;
  readonly generation: number;
  /** SHA-256 of the file of that generation. */
  readonly hash: Uint8Array;
  /** Who opens it, for the guard, should the file be out of reach. */
  readonly slots: readonly RememberedSlot[];
}

export interface RememberedSlot {
  readonly id: number;
  readonly label: string;
  /** How many of the legs it takes. */
  readonly needed: number;
  readonly legs: readonly RememberedLeg[];
}

export interface RememberedLeg {
  /** `leafFingerprint`. */
  readonly key: string;
  readonly title: string;
  /** Hints of card leaves. */
  readonly serial?: string;
  /** Hex. */
  readonly deviceKeyHash?: string;
}

/** One file for each vault in a folder of the host's state. */
export interface HostState {
  /** @throws HsmError `VAULT_STATE_UNREADABLE` (refused) when something is there and is no record */
  recall(path: string): Promise<Recalled | null>;
  /**
   * Keeps this record in the place of an older one; one of a later generation of the same vault is left alone unless
   * `evenOlder`. @param key `stateKey` of the vault's seed
   */
  remember(vault: RememberedVault, key: Uint8Array, options?: { readonly evenOlder?: boolean }): Promise<void>;
  forget(path: string): Promise<void>;
  /** All vaults this host has met. Their records are not verified: that takes each vault's seed. */
  all(): Promise<readonly RememberedVault[]>;
}

export interface Recalled {
  readonly vault: RememberedVault;
  /** Whether whoever knew this vault's seed wrote the record. */
  isGenuine(key: Uint8Array): boolean;
}

/** @param folder made (mode 0700) when the first vault is remembered */
export function hostState(folder: string): HostState {
  const fileOf = (path: string) => join(folder, `${nameOf(path)}.json`);
  return {
    async recall(path) {
      const file = fileOf(path);
      const text = await contentOf(file);
      return text === null ? null : recalled(text, file, path);
    },

    async remember(vault, key, { evenOlder = false } = {}) {
      const file = fileOf(vault.path);
      const text = await contentOf(file);
      const known = text === null ? null : recalled(text, file, vault.path);
      const before = known?.vault;
      if (before !== undefined && known?.isGenuine(key) === true && sameFile(before, vault)) return;
      // Two commands may open one vault at once: whoever read the older file does not forget what the other saw.
      if (!evenOlder && before?.id === vault.id && before.generation > vault.generation) return;
      try {
        await writePrivateFile(file, encode(vault, key));
      } catch (cause) {
        throw new HsmError("VAULT_STATE_NOT_WRITTEN", "service", `${file} could not be written: ${messageOf(cause)}`, {
          advice: "free space or make its folder writable; without it an older vault would not be noticed here",
          cause,
        });
      }
    },

    async forget(path) {
      await rm(fileOf(path), { force: true });
    },

    async all() {
      const names = await readdir(folder).catch(() => []);
      const vaults: RememberedVault[] = [];
      for (const name of names.filter((each) => /^[0-9a-f]{32}\.json$/.test(each)).sort()) {
        const text = await contentOf(join(folder, name));
        if (text !== null) vaults.push(recalled(text, join(folder, name), null).vault);
      }
      return vaults;
    },
  };
}

function sameFile(a: RememberedVault, b: RememberedVault): boolean {
  return a.id === b.id && a.generation === b.generation && equal(a.hash, b.hash);
}

function nameOf(path: string): string {
  return toHex(new Uint8Array(createHash("sha256").update(path).digest().subarray(0, 16))).toLowerCase();
}

async function contentOf(file: string): Promise<string | null> {
  try {
    return await readFile(file, "utf8");
  } catch (cause) {
    if (codeOf(cause) === "ENOENT") return null;
    throw unreadable(file, messageOf(cause), cause);
  }
}

const schemaVersion = 1;

function encode(vault: RememberedVault, key: Uint8Array): string {
  const body = bodyOf(vault);
  return `${JSON.stringify({ schemaVersion, ...body, mac: toHex(macOf(body, key)).toLowerCase() }, null, 2)}\n`;
}

function bodyOf({ path, id, generation, hash, slots }: RememberedVault) {
  return { path, id, generation, hash: toHex(hash).toLowerCase(), slots };
}

function macOf(body: ReturnType<typeof bodyOf>, key: Uint8Array): Uint8Array {
  return new Uint8Array(
    createHmac("sha256", key)
      .update(utf8Bytes(JSON.stringify(body)))
      .digest(),
  );
}

/** Any fields of any object that JSON can hold. */
type Fields = Partial<Record<string, unknown>>;

function recalled(text: string, file: string, path: string | null): Recalled {
  const fields = parsed(text, file);
  const { id, generation, hash, mac } = fields;
  const slots = Array.isArray(fields["slots"]) ? fields["slots"].map(slotOf) : [null];
  const whole =
    fields["schemaVersion"] === schemaVersion &&
    typeof fields["path"] === "string" &&
    (path === null || fields["path"] === path);
  if (!whole || typeof id !== "string" || !vaultIdGrammar.test(id) || !isCount(generation)) {
    throw unreadable(file, "it is no record of this vault");
  }
  if (!isHex(hash, 32) || !isHex(mac, 32) || !slots.every((slot) => slot !== null)) {
    throw unreadable(file, "it is no record of this vault");
  }
  const vault = { path: String(fields["path"]), id, generation, hash: fromHex(hash), slots };
  return { vault, isGenuine: (key) => timingSafeEqual(macOf(bodyOf(vault), key), fromHex(mac)) };
}

function parsed(text: string, file: string): Fields {
  try {
    const value: unknown = JSON.parse(text);
    if (isRecord(value)) return value;
  } catch (cause) {
    throw unreadable(file, "it is no JSON", cause);
  }
  throw unreadable(file, "it is no record of this vault");
}

function slotOf(value: unknown): RememberedSlot | null {
  if (!isRecord(value)) return null;
  const { id, label, needed } = value;
  const legs = Array.isArray(value["legs"]) ? value["legs"].map(legOf) : [null];
  if (!isCount(id) || typeof label !== "string" || !isCount(needed)) return null;
  return legs.every((leg) => leg !== null) ? { id, label, needed, legs } : null;
}

function legOf(value: unknown): RememberedLeg | null {
  if (!isRecord(value)) return null;
  const { key, title, serial, deviceKeyHash } = value;
  if (typeof key !== "string" || typeof title !== "string") return null;
  return {
    key,
    title,
    ...(typeof serial === "string" ? { serial } : {}),
    ...(typeof deviceKeyHash === "string" ? { deviceKeyHash } : {}),
  };
}

function isRecord(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 1;
}

function isHex(value: unknown, length: number): value is string {
  return typeof value === "string" && value.length === 2 * length && /^[0-9a-f]+$/.test(value);
}

function unreadable(file: string, problem: string, cause?: unknown): HsmError {
  return new HsmError(
    "VAULT_STATE_UNREADABLE",
    "refused",
    `what this host remembers of the vault is lost: ${problem}`,
    {
      advice: `compare the vault's id with the one you noted, move ${file} away, and give \`--expect-id\``,
      details: { file },
      cause,
    },
  );
}
