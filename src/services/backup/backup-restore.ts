import { equal } from "../../bytes/bytes.ts";
import { fileIds } from "../../cards/smartcard-hsm/file-ids.ts";
import { parseKeyCertificate } from "../../cards/smartcard-hsm/keys/public-key.ts";
import { decodeKeyDescription } from "../../cards/smartcard-hsm/pkcs15-key-description.ts";
import type { BackupKey } from "../../crypto/backup/backup-manifest.ts";
import { HsmError, messageOf } from "../../errors.ts";
import { type RestoreTarget, readIfThere } from "./backup-card.ts";
import { requireSameDkek } from "./backup-domains.ts";
import {
  isMarked,
  keysToUnwrap,
  type PlannedKey,
  publicKeyOf,
  type RestorePlan,
  restoreMark,
  samePublicKey,
} from "./backup-plan.ts";

export interface RestoreStep {
  readonly number: number;
  readonly of: number;
  readonly label: string | null;
}

/** What became of one key: `failed` where the token did not take it, which leaves nothing of it behind. */
export interface RestoredKey {
  readonly planned: PlannedKey;
  readonly done: "written" | "finished" | "replaced" | "skipped" | "failed";
  readonly reason: string | null;
}

export interface RestoreOutcome {
  readonly keys: readonly RestoredKey[];
  readonly files: number;
}

/** @throws HsmError `RESTORE_CONFLICT` (conflict) when anything is in the way; nothing was written then */
export function requireNoConflict({ keys, files }: RestorePlan, token: string): void {
  const conflicts = keys.filter(({ action }) => action === "conflict");
  const taken = files.filter(({ action }) => action === "conflict");
  if (conflicts.length + taken.length === 0) return;
  const named = conflicts.map(({ entry, reason }) => `key ${entry.reference}: ${reason}`);
  const all = [...named, ...taken.map(({ fid }) => `file ${fid.toString(16).toUpperCase()} holds something else`)];
  throw new HsmError(
    "RESTORE_CONFLICT",
    "conflict",
    `${token} has other keys where these should go: ${all.join("; ")}`,
    {
      advice: "nothing was written; `--replace` deletes what is in the way, `--dry-run` shows what that would be",
      token,
      details: { keys: conflicts.map(({ entry }) => entry.reference), files: taken.map(({ fid }) => fid) },
    },
  );
}

/**
 * Brings the keys of a backup onto a token, as planned. Needs a login.
 *
 * Description and certificate go before the key: a key without them could be seen and not be recognised, they without
 * the key are seen by nobody. So a restore that was broken off anywhere has left each key whole, absent, or (on tokens
 * that write a description of their own over it) nameless, which the next plan finishes. UNWRAP KEY is one exchange.
 * @throws HsmError as `requireSameDkek` and {@link requireNoConflict}, before anything is written
 * @throws HsmError `RESTORED_IN_PART` (partial): it was broken off after something was written
 */
export async function runRestore(
  card: RestoreTarget,
  plan: RestorePlan,
  progress: (step: RestoreStep) => void = () => undefined,
): Promise<RestoreOutcome> {
  const token = (await card.identity()).serial || "the token";
  requireNoConflict(plan, token);
  const work = plan.keys.filter(({ action }) => action !== "skip");
  const wrapped = keysToUnwrap(plan);
  if (wrapped.length > 0) requireSameDkek(wrapped, await card.keyDomains(), token);
  const keys: RestoredKey[] = plan.keys
    .filter(({ action }) => action === "skip")
    .map((planned) => ({ planned, done: "skipped", reason: planned.reason }));
  let files = 0;
  let touched = false;
  try {
    const gone = new Set<number>();
    for (const [i, planned] of work.entries()) {
      progress({ number: i + 1, of: work.length, label: planned.entry.label });
      touched = true;
      for (const { ref } of planned.inTheWay) {
        if (!gone.has(ref)) await card.deleteKey(ref);
        gone.add(ref);
      }
      keys.push(await restoreKey(card, planned, token));
    }
    for (const { fid, content, action } of plan.files) {
      if (action === "skip") continue;
      touched = true;
      await card.writeFile(fid, content);
      files++;
    }
  } catch (error) {
    if (!touched) throw error;
    const written = keys.filter(({ done }) => done !== "skipped" && done !== "failed").length;
    throw inPart(error, written, work.length, token);
  }
  keys.sort((a, b) => a.planned.entry.reference - b.planned.entry.reference);
  return { keys, files };
}

async function restoreKey(card: RestoreTarget, planned: PlannedKey, token: string): Promise<RestoredKey> {
  const { entry, action } = planned;
  if (action === "finish") {
    await completeKey(card, entry);
    return { planned, done: "finished", reason: planned.reason };
  }
  const { reference } = entry;
  try {
    await prepareKey(card, entry);
    await card.unwrapKey(entry.blob, reference);
  } catch (error) {
    if (!(error instanceof HsmError) || !leavesNoKey(error)) throw error;
    await removeKey(card, reference);
    // The next one would not find room either.
    if (error.code === "TOKEN_FULL") throw error;
    return { planned, done: "failed", reason: error.message };
  }
  const problem = await completeKey(card, entry);
  if (problem !== null) {
    await removeKey(card, reference);
    throw new HsmError("KEY_NOT_AS_BACKED_UP", "check-failed", `key ${reference} on ${token} ${problem}`, {
      advice: "the key was deleted again; `hsmadm backup verify` with the shares finds what is wrong in the backup",
      token,
    });
  }
  return { planned, done: action === "replace" ? "replaced" : "written", reason: null };
}

/** What stands beside the key goes first. */
async function prepareKey(card: RestoreTarget, entry: BackupKey): Promise<void> {
  const { reference, description, certificate } = entry;
  if (isMarked(entry)) await card.writeFile(fileIds.certificate + reference, restoreMark(entry));
  else await putBeside(card, fileIds.certificate + reference, certificate);
  await putBeside(card, fileIds.keyDescription + reference, description);
}

/** The key and what stands beside it, as far as any of it is there. */
async function removeKey(card: RestoreTarget, ref: number): Promise<void> {
  try {
    await card.deleteKey(ref);
  } catch (error) {
    if (!(error instanceof HsmError) || error.code !== "KEY_NOT_FOUND") throw error;
  }
}

/** Refusals by which the token has said that there is no key: what was put beside it would only be in the way. */
function leavesNoKey({ code }: HsmError): boolean {
  return code === "KEY_BLOB_REFUSED" || code === "KEY_BLOB_INVALID" || code === "TOKEN_FULL";
}

/** Leaves the file as the backup has it, also where an older one lies about without its key. */
async function putBeside(card: RestoreTarget, fid: number, content: Uint8Array | null): Promise<void> {
  const now = await readIfThere(card, fid);
  if (content === null) {
    if (now !== null) await card.deleteFile(fid);
  } else if (now === null || !equal(now, content)) await card.writeFile(fid, content);
}

/**
 * Reads back what stands beside the key and mends it: a Pico HSM writes a description and a request of its own over what
 * was there. The description comes first and in one piece; from then on the key is known by it.
 * @returns what is wrong with the key; `null`: it is complete
 */
async function completeKey(card: RestoreTarget, entry: BackupKey): Promise<string | null> {
  const { reference, description, certificate } = entry;
  const certificateFile = fileIds.certificate + reference;
  const beside = isMarked(entry) ? null : await readIfThere(card, certificateFile);
  if (beside !== null && !isOwn(entry, beside)) return "is not the key that its certificate in the backup names";
  const described = description === null ? null : await readIfThere(card, fileIds.keyDescription + reference);
  if (description !== null && (described === null || !equal(described, description))) {
    if (isDescription(description)) await card.writeKeyDescription(reference, description);
    else await card.writeFile(fileIds.keyDescription + reference, description);
  }
  if (isMarked(entry)) {
    if ((await readIfThere(card, certificateFile)) !== null) await card.deleteFile(certificateFile);
  } else if (certificate !== null && (beside === null || !equal(beside, certificate))) {
    if (publicKeyOf(entry) !== null) await card.writeKeyCertificate(reference, certificate);
    else await card.writeFile(certificateFile, certificate);
  }
  return null;
}

/** Whether what stands beside the key has its public half; what cannot be read says nothing. */
function isOwn(entry: BackupKey, beside: Uint8Array): boolean {
  const expected = publicKeyOf(entry);
  if (expected === null) return true;
  try {
    return samePublicKey(expected, parseKeyCertificate(beside).publicKey);
  } catch (error) {
    if (error instanceof HsmError) return true;
    throw error;
  }
}

function isDescription(bytes: Uint8Array): boolean {
  try {
    decodeKeyDescription(bytes);
    return true;
  } catch (error) {
    if (error instanceof HsmError) return false;
    throw error;
  }
}

function inPart(error: unknown, written: number, of: number, token: string): HsmError {
  const known = error instanceof HsmError ? error : undefined;
  const kind = known?.kind === "check-failed" ? "check-failed" : "partial";
  return new HsmError(
    kind === "partial" ? "RESTORED_IN_PART" : (known?.code ?? "RESTORED_IN_PART"),
    kind,
    `${written} of ${of} keys were restored onto ${token}, then: ${messageOf(error)}`,
    {
      advice: adviceAfter(known),
      token,
      details: { written, of, ...(known === undefined ? {} : { code: known.code, kind: known.kind }) },
      cause: error,
    },
  );
}

function adviceAfter(known: HsmError | undefined): string | undefined {
  if (known?.kind === "check-failed") return known.advice;
  const again = "run the same command again: it goes on where it stopped";
  return known?.code === "TOKEN_FULL" ? `${known.advice}, then ${again}` : again;
}
