import { createHash } from "node:crypto";
import { asciiText, concat, equal, utf8Bytes } from "../../bytes/bytes.ts";
import { toHex } from "../../bytes/hex.ts";
import { encodeTlv } from "../../bytes/tlv.ts";
import { fileIds } from "../../cards/smartcard-hsm/file-ids.ts";
import { parseKeyCertificate, type TokenPublicKey } from "../../cards/smartcard-hsm/keys/public-key.ts";
import { keyName, type TokenKey } from "../../cards/smartcard-hsm/keys/token-key.ts";
import type { BackupExtraFile, BackupKey, BackupManifest } from "../../crypto/backup/backup-manifest.ts";
import { HsmError } from "../../errors.ts";
import { mayTravel } from "./backup.ts";
import { type BackupSource, readIfThere } from "./backup-card.ts";

/**
 * What is to be done for one key of a backup.
 *
 * `write`: it is not there. `finish`: it is there and its description or certificate is not, as an interrupted restore
 * leaves it. `skip`: nothing to do. `replace`: other keys are in its way and go first. `conflict`: they are in its way and stay.
 */
export type RestoreAction = "write" | "finish" | "skip" | "replace" | "conflict";

export interface PlannedKey {
  readonly entry: BackupKey;
  readonly action: RestoreAction;
  /** Why, in a sentence; `null` for a plain `write`. */
  readonly reason: string | null;
  /** Keys on the token that are deleted first, or would have to be. */
  readonly inTheWay: readonly TokenKey[];
}

export interface PlannedFile {
  readonly fid: number;
  readonly content: Uint8Array;
  readonly action: Exclude<RestoreAction, "finish">;
}

export interface RestorePlan {
  readonly keys: readonly PlannedKey[];
  readonly files: readonly PlannedFile[];
}

/** The keys that have to be unwrapped, for which the token must have their DKEK. */
export function keysToUnwrap({ keys }: RestorePlan): BackupKey[] {
  return keys.filter(({ action }) => action !== "skip" && action !== "finish").map(({ entry }) => entry);
}

/**
 * Compares a backup with a token. Reads only, no login needed.
 *
 * RSA and EC keys are recognised by their public half. An AES key has none: one in the same place with the same
 * description passes for the same, which the plan says.
 * @param replace whether keys and files in the way may go
 * @throws HsmError `BACKUP_INVALID` (check-failed) for a file that has no business in a backup
 */
export async function planRestore(
  card: BackupSource,
  manifest: BackupManifest,
  replace: boolean,
): Promise<RestorePlan> {
  const wanted = manifest.files.map(fileOf);
  const keys = manifest.keys.length === 0 ? [] : await card.listKeys({ metadata: false });
  const matches = new Map<BackupKey, TokenKey>();
  for (const entry of manifest.keys) {
    const twin = keys.find((key) => isSameKey(entry, key));
    if (twin !== undefined) matches.set(entry, twin);
  }
  const planned: PlannedKey[] = [];
  for (const entry of manifest.keys) {
    planned.push(await planKey({ card, entry, keys, matches, replace }));
  }
  return { keys: planned, files: await planFiles(card, wanted, replace) };
}

interface Situation {
  readonly card: BackupSource;
  readonly entry: BackupKey;
  readonly keys: readonly TokenKey[];
  readonly matches: ReadonlyMap<BackupKey, TokenKey>;
  readonly replace: boolean;
}

async function planKey(situation: Situation): Promise<PlannedKey> {
  const { card, entry, keys, matches, replace } = situation;
  const plain = (action: RestoreAction, reason: string | null): PlannedKey => ({ entry, action, reason, inTheWay: [] });
  const twin = matches.get(entry);
  if (twin !== undefined && twin.ref !== entry.reference) return plain("skip", `it is there as ${keyName(twin)}`);
  if (twin !== undefined) return plain(...planTwin(entry, twin));
  const there = keys.find(({ ref }) => ref === entry.reference);
  if (there !== undefined && isMarked(entry)) {
    const mark = await readIfThere(card, fileIds.certificate + there.ref);
    if (mark !== null && equal(mark, restoreMark(entry))) return plain("finish", "a restore was interrupted here");
  }
  if (there !== undefined && entry.description !== null && sameBytes(there.descriptionBytes, entry.description)) {
    if (entry.certificate === null && !replace) {
      return plain("skip", "a key of this description is there; without a public half the two cannot be compared");
    }
    if (entry.certificate !== null && there.publicKey === null)
      return plain("finish", "its certificate is missing or cannot be read");
  }
  const inTheWay = keys.filter((key) => key.ref === entry.reference || sameId(entry, key));
  if (inTheWay.length === 0) return plain("write", null);
  const names = inTheWay.map(keyName).join(", ");
  for (const [other, key] of matches) {
    if (!inTheWay.includes(key)) continue;
    const reason = `its place or id is taken by ${keyName(key)}, which is key ${other.reference} of this backup`;
    return { entry, action: "conflict", reason, inTheWay };
  }
  return replace
    ? { entry, action: "replace", reason: `${names} goes`, inTheWay }
    : { entry, action: "conflict", reason: `another key has its place or id: ${names}`, inTheWay };
}

/** The same key in the same place. */
function planTwin(entry: BackupKey, twin: TokenKey): [RestoreAction, string | null] {
  if (entry.description !== null && isUnnamed(twin)) return ["finish", "it is there without its name"];
  if (entry.description !== null && !sameBytes(twin.descriptionBytes, entry.description)) {
    return ["skip", `it is there under another name: ${keyName(twin)}`];
  }
  if (sameBytes(twin.certificateBytes, entry.certificate)) return ["skip", "it is there"];
  // A request says nothing that another would not say; a certificate may be newer than the one in the backup.
  return twin.certificate === "request" && entry.certificate !== null
    ? ["finish", "it is there without its certificate"]
    : ["skip", "it is there with another certificate"];
}

/** No description, or the one that a Pico HSM writes by itself: no label, and the key reference in digits as id. */
function isUnnamed({ descriptionBytes, description, ref }: TokenKey): boolean {
  if (descriptionBytes === null) return true;
  return description !== null && description.label === "" && asciiText(description.id) === String(ref);
}

function isSameKey(entry: BackupKey, key: TokenKey): boolean {
  const own = publicKeyOf(entry);
  return own !== null && key.publicKey !== null && samePublicKey(own, key.publicKey);
}

/** The public half that the backup keeps beside the key; `null` where there is none that can be read. */
export function publicKeyOf({ certificate }: BackupKey): TokenPublicKey | null {
  if (certificate === null) return null;
  try {
    return parseKeyCertificate(certificate).publicKey;
  } catch (error) {
    if (error instanceof HsmError) return null;
    throw error;
  }
}

export function samePublicKey(a: TokenPublicKey, b: TokenPublicKey): boolean {
  if (a.kind === "ec") return b.kind === "ec" && a.curve === b.curve && equal(a.point, b.point);
  return b.kind === "rsa" && equal(a.modulus, b.modulus) && equal(a.exponent, b.exponent);
}

function sameBytes(a: Uint8Array | null, b: Uint8Array | null): boolean {
  return a === null || b === null ? a === b : equal(a, b);
}

function sameId({ id }: BackupKey, key: TokenKey): boolean {
  return id !== null && key.id.length > 0 && toHex(key.id) === id;
}

/** Whether its place has room for a mark while it is restored: no certificate will stand there. */
export function isMarked({ kind, certificate }: BackupKey): boolean {
  return kind === "aes" && certificate === null;
}

/**
 * What stands in the certificate's place of an AES key from before it is unwrapped until it is named: a Pico HSM gives it
 * a description of its own, and without the mark nobody could tell afterwards whose key that is.
 */
export function restoreMark({ blob }: BackupKey): Uint8Array {
  const digest = new Uint8Array(createHash("sha256").update(blob).digest());
  return encodeTlv(0x30, concat(encodeTlv(0x0c, utf8Bytes("hsmadm restore")), encodeTlv(0x04, digest)));
}

function fileOf({ fid, content }: BackupExtraFile): { fid: number; content: Uint8Array } {
  const number = Number.parseInt(fid, 16);
  if (mayTravel(number)) return { fid: number, content };
  throw new HsmError("BACKUP_INVALID", "check-failed", `not a backup of hsmadm: file ${fid} has no business in it`, {
    advice: "nothing was sent to the token; somebody changed this file",
  });
}

async function planFiles(
  card: BackupSource,
  wanted: readonly { fid: number; content: Uint8Array }[],
  replace: boolean,
): Promise<PlannedFile[]> {
  const planned: PlannedFile[] = [];
  for (const { fid, content } of wanted) {
    const now = await readIfThere(card, fid);
    planned.push({ fid, content, action: fileAction(content, now, replace) });
  }
  return planned;
}

function fileAction(content: Uint8Array, now: Uint8Array | null, replace: boolean): PlannedFile["action"] {
  if (now === null) return content.length === 0 ? "skip" : "write";
  if (equal(now, content)) return "skip";
  // A beginning of it is what an interrupted restore leaves.
  if (now.length < content.length && equal(now, content.subarray(0, now.length))) return "write";
  return replace ? "replace" : "conflict";
}
