import { readFile } from "node:fs/promises";
import { equal } from "../../bytes/bytes.ts";
import type { PicoFidoToken } from "../../cards/fido2/pico-fido/pico-fido-token.ts";
import { judgeBlob } from "../../crypto/pico-fido/backup-blob.ts";
import { buildPicoFidoBackup, checkPicoFidoBackup, parsePicoFidoBackup } from "../../crypto/pico-fido/backup-file.ts";
import { hostKeyId } from "../../crypto/pico-fido/host-key.ts";
import { HsmError } from "../../errors.ts";
import { writeNewFile } from "../atomic-file.ts";
import type { HostKeyRecord, HostKeyStore } from "./host-key-store.ts";
import { provenUnlocked, recordFor, type TokenFacts, withKeys } from "./lock.ts";
import { checkKeyChange, checkLockExists, checkPinIsSet, checkProven, lockError, unplugFirst } from "./lock-errors.ts";

/**
 * Writes the backup of an unlocked token: only what a host key of this computer opens to a device key that is one, and
 * reads it back. @returns the host key's id
 * @param handOver shows the host key to whoever wants it on paper, before the file is written
 */
export async function saveBackup(
  token: PicoFidoToken,
  store: HostKeyStore,
  path: string,
  { overwrite, handOver }: { readonly overwrite: boolean; readonly handOver?: (hostKey: Uint8Array) => Promise<void> },
): Promise<string> {
  checkLockExists(token);
  checkPinIsSet(token);
  return withKeys(store, async (keys) => {
    const { key, blob } = await provenUnlocked(token, keys);
    const file = buildPicoFidoBackup(blob, key.hostKey);
    await handOver?.(key.hostKey);
    await writeNewFile(path, file, { overwrite });
    checkPicoFidoBackup(new Uint8Array(await readFile(path)), key.hostKey);
    return key.id;
  });
}

/** The key of ours that a backup file was made with, if there is one. Needs no token. */
export function keyOfBackup(file: Uint8Array, keys: readonly HostKeyRecord[]): HostKeyRecord | undefined {
  const { blob } = parsePicoFidoBackup(file);
  return keys.find(({ hostKey }) => judgeBlob(blob, hostKey) !== "other-key");
}

export function hostKeyMissing(): HsmError {
  return new HsmError("HOST_KEY_MISSING", "check-failed", "no host key of this computer opens the backup", {
    advice:
      "give the words with --words SOURCE (older ones with --word-list FILE too), or the older tool's key with --host-key SOURCE",
  });
}

export interface LoadRequest {
  readonly file: Uint8Array;
  readonly hostKey: Uint8Array;
  readonly facts: TokenFacts;
  readonly acceptKeyChange: boolean;
  /** Asks whether the token's own credentials may be lost. */
  readonly confirm: () => Promise<void>;
}

/**
 * Loads a backup into a token, whose device key is overwritten at once. The host key is kept before that, beside every
 * other one; done is said when the token unlocks with it and gives the same blob back.
 * @returns the host key's id
 */
export async function loadBackup(token: PicoFidoToken, store: HostKeyStore, request: LoadRequest): Promise<string> {
  const blob = await checkLoad(token, store, request);
  await request.confirm();
  // BACKUP tells the state once more: while somebody was asked, the token may have become another one.
  if ((await token.backup()).kind === "empty") throw unplugFirst(token);
  const record = recordFor(token, request.hostKey, "pending", request.facts);
  await store.keep(record);
  await token.load(blob);
  const unlocked = await token.unlock(request.hostKey);
  const answer = unlocked === "unlocked" ? await token.backup() : undefined;
  if (answer?.kind !== "blob" || !equal(answer.blob, blob)) {
    throw lockError(token, [
      "PICO_FIDO_NOT_PROVED",
      "check-failed",
      "{token} took the backup, but does not unlock to it",
      "unplug the token and put it back, then `hsmadm fido secure unlock`; the backup file is untouched and can be loaded again",
    ]);
  }
  await store.keep({ ...record, state: "in-use" });
  return record.id;
}

/** @returns the blob. Sends BACKUP save at most, which changes nothing */
export async function checkLoad(
  token: PicoFidoToken,
  store: HostKeyStore,
  { file, hostKey, acceptKeyChange }: Pick<LoadRequest, "file" | "hostKey" | "acceptKeyChange">,
): Promise<Uint8Array> {
  const blob = checkPicoFidoBackup(file, hostKey);
  checkLockExists(token);
  checkProven(token);
  checkKeyChange(token, "load", acceptKeyChange);
  checkPinIsSet(token);
  const id = hostKeyId(hostKey);
  await withKeys(store, async (keys) => {
    const known = keys.find((key) => key.id === id);
    const { family, version } = token.firmware;
    if (known === undefined || known.family === family) return;
    throw lockError(token, [
      "PICO_FIDO_OTHER_FAMILY",
      "conflict",
      `{token} has firmware ${version}, the backup comes from ${known.firmware}: between these it would not bring the credentials back`,
      `load it into a token with firmware ${known.family}`,
    ]);
  });
  if ((await token.backup()).kind === "empty") throw unplugFirst(token);
  return blob;
}
