import { createHash } from "node:crypto";
import { concat, equal, utf8Bytes, utf8Text } from "../../bytes/bytes.ts";
import { toHex } from "../../bytes/hex.ts";
import { HsmError } from "../../errors.ts";
import { type BackupManifest, backupVersion, manifestJson, readManifest } from "./backup-manifest.ts";

/**
 * The file of `backup create`: two lines of text, then JSON. docs/backup-format.md.
 *
 *     hsmadm-backup 1
 *     sha256 <64 lower-case hex digits: of every byte behind this line>
 *     { "device": …, "keys": [ … ] }
 *
 * The digest finds damage, not forgery: nobody holds the DKEK when a backup is made, so only the blobs are
 * authenticated, each by its own MAC.
 */
const firstLine = "hsmadm-backup";
/** 60 keys take some 300 KB. */
const maxBytes = 64 * 1024 * 1024;

export function writeBackupFile(manifest: BackupManifest): Uint8Array {
  const body = utf8Bytes(manifestJson(manifest));
  return concat(utf8Bytes(`${firstLine} ${backupVersion}\nsha256 ${digest(body)}\n`), body);
}

/** A file taken apart as far as its lines go. */
export interface BackupEnvelope {
  readonly body: Uint8Array;
  /** Whether the digest fits every byte of the body. */
  readonly intact: boolean;
}

/** @throws HsmError `BACKUP_INVALID` (check-failed) when it is no backup, `BACKUP_VERSION` (not-supported) for a newer one */
export function openEnvelope(bytes: Uint8Array): BackupEnvelope {
  if (bytes.length > maxBytes) throw invalid("it is too large");
  const [first, afterFirst] = line(bytes, 0);
  const version = new RegExp(`^${firstLine} ([0-9]{1,6})$`).exec(first)?.[1];
  if (version === undefined) throw invalid(`its first line is not "${firstLine} ${backupVersion}"`);
  if (version !== String(backupVersion)) {
    throw new HsmError(
      "BACKUP_VERSION",
      "not-supported",
      `this backup has version ${version}, known is ${backupVersion}`,
      {
        advice: "use the hsmadm that made it, or a newer one",
      },
    );
  }
  const [second, afterSecond] = line(bytes, afterFirst);
  const expected = /^sha256 ([0-9a-f]{64})$/.exec(second)?.[1];
  if (expected === undefined) throw invalid("its second line holds no SHA-256");
  const body = bytes.subarray(afterSecond);
  return { body, intact: equal(utf8Bytes(digest(body)), utf8Bytes(expected)) };
}

/**
 * Reads a backup whose digest fits.
 * @throws HsmError `BACKUP_DAMAGED`, `BACKUP_INVALID` (check-failed), `BACKUP_VERSION` (not-supported)
 */
export function readBackupFile(bytes: Uint8Array): BackupManifest {
  const { body, intact } = openEnvelope(bytes);
  if (!intact) {
    throw new HsmError("BACKUP_DAMAGED", "check-failed", "this backup is damaged: its SHA-256 does not fit", {
      advice: "take another copy of the file",
    });
  }
  return readBackupBody(body);
}

export function readBackupBody(body: Uint8Array): BackupManifest {
  const text = utf8Text(body);
  if (text === null) throw invalid("its text is not UTF-8");
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw invalid("its body is not JSON", cause);
  }
  return readManifest(json);
}

function line(bytes: Uint8Array, from: number): [text: string, next: number] {
  const end = bytes.subarray(from, from + 200).indexOf(0x0a);
  if (end < 0) return ["", from];
  return [utf8Text(bytes.subarray(from, from + end)) ?? "", from + end + 1];
}

function digest(body: Uint8Array): string {
  return toHex(new Uint8Array(createHash("sha256").update(body).digest())).toLowerCase();
}

function invalid(problem: string, cause?: unknown): HsmError {
  return new HsmError("BACKUP_INVALID", "check-failed", `not a backup of hsmadm: ${problem}`, { cause });
}
