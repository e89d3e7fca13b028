import { ctapStatusOf } from "../../cards/fido2/ctap-status.ts";
import type { PicoFidoToken } from "../../cards/fido2/pico-fido/pico-fido-token.ts";
import type { FidoPin } from "../../cards/fido2/pin-gate.ts";
import { judgeBlob } from "../../crypto/pico-fido/backup-blob.ts";
import { hostKeyId, newHostKey } from "../../crypto/pico-fido/host-key.ts";
import { HsmError } from "../../errors.ts";
import type { HostKeyRecord, HostKeyState, HostKeyStore } from "./host-key-store.ts";
import {
  checkKeyChange,
  checkLockExists,
  checkPinIsSet,
  checkProven,
  lockError,
  notUnlocked,
  otherComputer,
} from "./lock-errors.ts";
import { type LockState, probeLock } from "./lock-state.ts";

/** What a record of a host key says beside the key. */
export interface TokenFacts {
  readonly device: string;
  readonly product: string | null;
  readonly now: Date;
}

export function recordFor(
  token: PicoFidoToken,
  hostKey: Uint8Array,
  state: HostKeyState,
  { device, product, now }: TokenFacts,
): HostKeyRecord {
  const { version, family } = token.firmware;
  return {
    id: hostKeyId(hostKey),
    hostKey,
    state,
    created: now.toISOString(),
    device,
    product,
    firmware: version,
    family,
  };
}

export function wipeKeys(keys: readonly HostKeyRecord[]): void {
  for (const { hostKey } of keys) hostKey.fill(0);
}

/** The keys of this computer for as long as `work` takes. */
export async function withKeys<T>(store: HostKeyStore, work: (keys: HostKeyRecord[]) => Promise<T>): Promise<T> {
  const keys = await store.all();
  try {
    return await work(keys);
  } finally {
    wipeKeys(keys);
  }
}

export interface EnableRequest {
  readonly pin: FidoPin;
  readonly facts: TokenFacts;
  readonly acceptKeyChange: boolean;
  /** Shows the new host key to whoever has to keep it. It is kept here already, and the token was sent nothing. */
  readonly handOver: (hostKey: Uint8Array) => Promise<void>;
}

/**
 * Enables the lock, and says so only when the token was unlocked with the new host key and what BACKUP then gave was
 * opened with it.
 * @returns the host key's id
 */
export async function enableLock(token: PicoFidoToken, store: HostKeyStore, request: EnableRequest): Promise<string> {
  await checkEnable(token, request.acceptKeyChange);
  // Nothing is unlocked, so this disables nothing: it judges the PIN before a key is made and written down for nothing.
  if ((await token.disable(request.pin)) !== "not-enabled") throw enabledAlready(token);
  const hostKey = newHostKey();
  try {
    const record = recordFor(token, hostKey, "pending", request.facts);
    await store.keep(record);
    try {
      await request.handOver(hostKey);
      if (!(await token.enable(hostKey, request.pin))) throw enabledAlready(token);
    } catch (error) {
      // Kept wherever the token may have taken it: an exchange broke off, and nobody knows.
      if (neverTaken(error)) await store.forget(record.id);
      throw error;
    }
    await prove(token, hostKey);
    await store.keep({ ...record, state: "in-use" });
    return record.id;
  } finally {
    hostKey.fill(0);
  }
}

/** Everything that must hold before a host key is made. Sends nothing that needs a PIN. */
export async function checkEnable(token: PicoFidoToken, acceptKeyChange: boolean): Promise<void> {
  checkLockExists(token);
  checkProven(token);
  checkKeyChange(token, "enable", acceptKeyChange);
  checkPinIsSet(token);
  const state = await probeLock(token, [], { tryKeys: false });
  if (state.kind === "never-enabled") return;
  throw state.kind === "unplug-first" ? notUnlocked(token, state) : enabledAlready(token);
}

/** The token refused, or it was sent nothing: the host key is nobody's. */
function neverTaken(error: unknown): boolean {
  if (ctapStatusOf(error) !== undefined) return true;
  return error instanceof HsmError && ["usage", "cancelled", "refused", "blocked", "conflict"].includes(error.kind);
}

/** The token took the key: it unlocks, and the blob opens to a key that is one. */
async function prove(token: PicoFidoToken, hostKey: Uint8Array): Promise<void> {
  const unlocked = await token.unlock(hostKey);
  const answer = unlocked === "unlocked" ? await token.backup() : undefined;
  if (answer?.kind === "blob" && judgeBlob(answer.blob, hostKey) === "good") return;
  throw lockError(token, [
    "PICO_FIDO_NOT_PROVED",
    "check-failed",
    "{token} took the host key, but does not give back a device key that it opens",
    "keep the words, unplug the token and put it back, then look with `hsmadm fido secure status`; do not disable the lock with any program",
  ]);
}

function enabledAlready(token: PicoFidoToken): HsmError {
  return lockError(token, [
    "PICO_FIDO_ENABLED",
    "conflict",
    "the lock of {token} is enabled already",
    "`hsmadm fido secure unlock` unlocks it, `hsmadm fido secure status` says with which key",
  ]);
}

/** `was-unlocked`: nothing had to be done. */
export interface Unlocked {
  readonly id: string | null;
  readonly outcome: "unlocked" | "was-unlocked";
}

/**
 * Unlocks the token until it is unplugged. Never makes a key.
 * @param given a host key from elsewhere, kept here once the token took it; else the keys of this computer are tried
 */
export async function unlockToken(
  token: PicoFidoToken,
  store: HostKeyStore,
  { given, facts }: { readonly given?: Uint8Array | undefined; readonly facts: TokenFacts },
): Promise<Unlocked> {
  checkLockExists(token);
  checkPinIsSet(token);
  return withKeys(store, async (keys) => {
    const own = given === undefined ? keys : [recordFor(token, given, "pending", facts)];
    const state = await probeLock(token, own, { tryKeys: true });
    switch (state.kind) {
      case "unlocked":
        if (given !== undefined && state.key !== null) await store.keep({ ...state.key, state: "in-use" });
        return { id: state.key?.id ?? null, outcome: "was-unlocked" };
      case "locked":
        if (state.key === null) throw otherComputer(token);
        if (state.key.state !== "in-use") await store.keep({ ...state.key, state: "in-use" });
        return { id: state.key.id, outcome: "unlocked" };
      default:
        throw notUnlocked(token, state);
    }
  });
}

/** An unlocked token, the key of ours that opens what it gives, and what it gave. */
export async function provenUnlocked(
  token: PicoFidoToken,
  keys: readonly HostKeyRecord[],
): Promise<{ readonly key: HostKeyRecord; readonly blob: Uint8Array }> {
  const state: LockState = await probeLock(token, keys, { tryKeys: false });
  if (state.kind !== "unlocked") throw notUnlocked(token, state);
  if (state.key === null) throw otherComputer(token);
  return { key: state.key, blob: state.blob };
}

/**
 * Disables the lock the safe way: what BACKUP gives comes from flash and proves the host key, not the key in memory,
 * which a wrong UNLOCK of any program may have zeroed; an UNLOCK with the proven key puts the right one there.
 * @returns the host key's id; the token must be unplugged now
 */
export async function disableLock(
  token: PicoFidoToken,
  store: HostKeyStore,
  { pin, acceptKeyChange }: { readonly pin: FidoPin; readonly acceptKeyChange: boolean },
): Promise<string> {
  checkDisable(token, acceptKeyChange);
  return withKeys(store, async (keys) => {
    const { key } = await provenUnlocked(token, keys);
    await unlockAgain(token, key);
    // Once more when the PIN is there: while it was typed another program may have sent a wrong key.
    const typed: FidoPin = async (counter) => {
      const bytes = pin instanceof Uint8Array ? pin : await pin(counter);
      await unlockAgain(token, key);
      return bytes;
    };
    const outcome = await token.disable(typed);
    if (outcome !== "disabled") {
      throw notUnlocked(token, outcome === "locked" ? { kind: "locked", key: null } : { kind: "never-enabled" });
    }
    await store.keep({ ...key, state: "retired" });
    return key.id;
  });
}

export function checkDisable(token: PicoFidoToken, acceptKeyChange: boolean): void {
  checkLockExists(token);
  checkKeyChange(token, "disable", acceptKeyChange);
  checkPinIsSet(token);
}

async function unlockAgain(token: PicoFidoToken, key: HostKeyRecord): Promise<void> {
  if ((await token.unlock(key.hostKey)) === "unlocked") return;
  throw lockError(token, [
    "PICO_FIDO_NOT_PROVED",
    "check-failed",
    "{token} did not take the host key that opens its backup; the lock was left enabled",
    "unplug the token and put it back, then `hsmadm fido secure unlock`; do not disable the lock with any program before",
  ]);
}
