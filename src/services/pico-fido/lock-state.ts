import { randomBytes } from "node:crypto";
import type { PicoFidoToken } from "../../cards/fido2/pico-fido/pico-fido-token.ts";
import { judgeBlob } from "../../crypto/pico-fido/backup-blob.ts";
import type { HostKeyRecord } from "./host-key-store.ts";

/** The state of the lock, which getInfo does not tell (`pico-fido-vendor.md` section 6). */
export type LockState =
  | { readonly kind: "never-enabled" }
  /** Disabled or reset in this power session: what is done with it now is lost at the next. */
  | { readonly kind: "unplug-first" }
  /** `key` opens what BACKUP gave; `null`: another computer's does. */
  | { readonly kind: "unlocked"; readonly blob: Uint8Array; readonly key: HostKeyRecord | null }
  /** A host key opens the blob, and the device key in it is zero: it was lost before. */
  | { readonly kind: "key-lost" }
  /** `key`: the one of ours that fitted, and the token is unlocked now. `null`: none did, or none was tried. */
  | { readonly kind: "locked"; readonly key: HostKeyRecord | null };

/**
 * Finds out without a PIN and without harm. UNLOCK is sent only after BACKUP said that nothing is unlocked: on an
 * unlocked token a wrong key would zero the key in memory.
 * @param known the keys of this computer
 * @param tryKeys whether a locked token is to be unlocked by the key that fits; else only 32 random bytes are tried
 */
export async function probeLock(
  token: PicoFidoToken,
  known: readonly HostKeyRecord[],
  { tryKeys }: { readonly tryKeys: boolean },
): Promise<LockState> {
  const answer = await token.backup();
  if (answer.kind === "empty") return { kind: "unplug-first" };
  if (answer.kind === "blob") return openedBy(answer.blob, known);
  for (const key of tryKeys ? known : []) {
    const told = await token.unlock(key.hostKey);
    // Nothing is tried after a key that fitted.
    if (told === "unlocked") return { kind: "locked", key };
    if (told === "not-enabled") return { kind: "never-enabled" };
  }
  if (tryKeys && known.length > 0) return { kind: "locked", key: null };
  const told = await token.unlock(new Uint8Array(randomBytes(32)));
  return told === "not-enabled" ? { kind: "never-enabled" } : { kind: "locked", key: null };
}

function openedBy(blob: Uint8Array, known: readonly HostKeyRecord[]): LockState {
  for (const key of known) {
    const verdict = judgeBlob(blob, key.hostKey);
    if (verdict === "good") return { kind: "unlocked", blob, key };
    if (verdict === "zero-key") return { kind: "key-lost" };
  }
  return { kind: "unlocked", blob, key: null };
}
