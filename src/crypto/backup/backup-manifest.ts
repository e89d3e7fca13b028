import { fromHex, toHex } from "../../bytes/hex.ts";
import { HsmError } from "../../errors.ts";

export const backupVersion = 1;

/** What a backup says. Byte strings are upper-case hex in the file. */
export interface BackupManifest {
  /** ISO 8601, UTC. */
  readonly created: string;
  /** The program and its version. */
  readonly createdBy: string;
  readonly device: BackupDevice;
  readonly keys: readonly BackupKey[];
  /** Keys that stayed behind, and why: a backup that is not whole must say so. */
  readonly notExported: readonly BackupGap[];
  /** Further files of the token, as they were: certificates of authorities, data objects. */
  readonly files: readonly BackupExtraFile[];
}

export interface BackupDevice {
  readonly serial: string;
  /** SHA-256 of the device public key; `null` when it had no device certificate. */
  readonly identity: string | null;
  readonly label: string | null;
  readonly simulated: boolean;
}

export interface BackupKey {
  /** Key reference on the token, 1-255. */
  readonly reference: number;
  readonly label: string | null;
  /** CKA_ID, hex. */
  readonly id: string | null;
  readonly kind: "rsa" | "ec" | "aes";
  /** RSA modulus, EC field or AES key in bits. */
  readonly bits: number;
  /** Name from `curves.ts`. */
  readonly curve: string | null;
  /** Key domain it was wrapped in. */
  readonly domain: number;
  /** Of the DKEK it is wrapped under. */
  readonly kcv: Uint8Array;
  readonly blob: Uint8Array;
  /** PRKD or SKD as it was on the token. */
  readonly description: Uint8Array | null;
  /** EF CExx: an X.509 certificate or a card verifiable request. */
  readonly certificate: Uint8Array | null;
  /** Uses left when the backup was made; a blob does not carry it. */
  readonly useCounter: number | null;
}

export interface BackupGap {
  readonly reference: number;
  readonly label: string | null;
  readonly reason: string;
}

export interface BackupExtraFile {
  /** File identifier, 4 hex digits. */
  readonly fid: string;
  readonly content: Uint8Array;
}

/** Most keys a token can hold, and then some. */
const maxEntries = 1024;

export function manifestJson(manifest: BackupManifest): string {
  const hex = (bytes: Uint8Array | null): string | null => (bytes === null ? null : toHex(bytes));
  return `${JSON.stringify(
    {
      ...manifest,
      keys: manifest.keys.map((key) => ({
        ...key,
        kcv: toHex(key.kcv),
        blob: toHex(key.blob),
        description: hex(key.description),
        certificate: hex(key.certificate),
      })),
      files: manifest.files.map((file) => ({ fid: file.fid, content: toHex(file.content) })),
    },
    null,
    1,
  )}\n`;
}

/** @throws HsmError `BACKUP_INVALID` (check-failed) naming the member that is wrong */
export function readManifest(json: unknown): BackupManifest {
  const all = new Members(json, "backup");
  const device = new Members(all.value("device"), "device");
  const manifest: BackupManifest = {
    created: all.text("created"),
    createdBy: all.text("createdBy"),
    device: {
      serial: device.text("serial"),
      identity: device.textOrNull("identity"),
      label: device.textOrNull("label"),
      simulated: device.flag("simulated"),
    },
    keys: all.list("keys").map(readKey),
    notExported: all.list("notExported").map((entry, i) => {
      const gap = new Members(entry, `notExported[${i}]`);
      return { reference: gap.number("reference", 255), label: gap.textOrNull("label"), reason: gap.text("reason") };
    }),
    files: all.list("files").map((entry, i) => {
      const file = new Members(entry, `files[${i}]`);
      const fid = file.text("fid");
      if (!/^[0-9A-F]{4}$/.test(fid)) throw invalid(`files[${i}].fid is not four hex digits`);
      return { fid, content: file.bytes("content") };
    }),
  };
  const references = manifest.keys.map((key) => key.reference);
  if (new Set(references).size !== references.length) throw invalid("two of its keys have the same key reference");
  return manifest;
}

function readKey(entry: unknown, i: number): BackupKey {
  const key = new Members(entry, `keys[${i}]`);
  const kind = key.text("kind");
  if (kind !== "rsa" && kind !== "ec" && kind !== "aes") throw invalid(`keys[${i}].kind is none that is known`);
  const reference = key.number("reference", 255);
  if (reference === 0) throw invalid(`keys[${i}].reference is that of the device key`);
  const id = key.textOrNull("id");
  if (id !== null && !/^(?:[0-9A-F]{2}){0,64}$/.test(id)) throw invalid(`keys[${i}].id is not hex`);
  return {
    reference,
    label: key.textOrNull("label"),
    id,
    kind,
    bits: key.number("bits", 16384),
    curve: key.textOrNull("curve"),
    domain: key.number("domain", 255),
    kcv: key.bytes("kcv"),
    blob: key.bytes("blob"),
    description: key.bytesOrNull("description"),
    certificate: key.bytesOrNull("certificate"),
    useCounter: key.value("useCounter") === null ? null : key.number("useCounter", 0xffffffff),
  };
}

/** Members of a JSON object, each read as what it has to be. Unknown members are left alone. */
class Members {
  readonly #members: Readonly<Record<string, unknown>>;
  readonly #where: string;

  constructor(json: unknown, where: string) {
    if (typeof json !== "object" || json === null || Array.isArray(json)) throw invalid(`${where} is no object`);
    this.#members = json as Readonly<Record<string, unknown>>;
    this.#where = where;
  }

  value(name: string): unknown {
    if (!Object.hasOwn(this.#members, name)) throw this.#wrong(name, "missing");
    return this.#members[name];
  }

  text(name: string): string {
    const value = this.value(name);
    if (typeof value !== "string" || value.length > 1024) throw this.#wrong(name, "no short text");
    return value;
  }

  textOrNull(name: string): string | null {
    return this.value(name) === null ? null : this.text(name);
  }

  flag(name: string): boolean {
    const value = this.value(name);
    if (typeof value !== "boolean") throw this.#wrong(name, "neither true nor false");
    return value;
  }

  number(name: string, max: number): number {
    const value = this.value(name);
    if (typeof value !== "number" || !Number.isInteger(value) || value < 0 || value > max) {
      throw this.#wrong(name, `no whole number up to ${max}`);
    }
    return value;
  }

  bytes(name: string): Uint8Array {
    const value = this.value(name);
    if (typeof value !== "string" || value.length % 2 !== 0 || !/^[0-9A-F]*$/.test(value)) {
      throw this.#wrong(name, "not hex");
    }
    return fromHex(value);
  }

  bytesOrNull(name: string): Uint8Array | null {
    return this.value(name) === null ? null : this.bytes(name);
  }

  list(name: string): readonly unknown[] {
    const value = this.value(name);
    if (!Array.isArray(value) || value.length > maxEntries) throw this.#wrong(name, "no list of reasonable length");
    return value as readonly unknown[];
  }

  #wrong(name: string, problem: string): HsmError {
    return invalid(`${this.#where}.${name} is ${problem}`);
  }
}

function invalid(problem: string): HsmError {
  return new HsmError("BACKUP_INVALID", "check-failed", `not a backup of hsmadm: ${problem}`);
}
