import type { PicoFidoToken } from "../../cards/fido2/pico-fido/pico-fido-token.ts";
import { type ErrorKind, HsmError } from "../../errors.ts";
import type { LockState } from "./lock-state.ts";

const secondToken =
  "a second token in a slot of the vault survives the loss of this one: `hsmadm vault slot add FILE fido`";
const otherKey =
  "give the key it was enabled with: `hsmadm fido secure unlock` with --words SOURCE, or with --host-key SOURCE for the older tool's (its keyring entry, PEM)";

export function lockError(
  token: PicoFidoToken,
  [code, kind, says, advice]: readonly [code: string, kind: ErrorKind, says: string, advice: string],
): HsmError {
  return new HsmError(code, kind, says.replace("{token}", token.where), { token: token.where, advice });
}

/** What really stands behind a 33 or 02 of the token, and the next command. Nothing of it has to do with the PIN. */
export function notUnlocked(token: PicoFidoToken, state: Exclude<LockState, { kind: "unlocked" }>): HsmError {
  switch (state.kind) {
    case "never-enabled":
      return lockError(token, [
        "PICO_FIDO_NOT_ENABLED",
        "refused",
        "the lock of {token} was never enabled, so there is nothing to unlock or to save; the PIN was not judged",
        token.firmware.lock === "keeps"
          ? `first \`hsmadm fido secure enable\`, then \`hsmadm fido backup save FILE\`; or leave it: ${secondToken}`
          : `on firmware ${token.firmware.version} the lock is no way to a backup; ${secondToken}`,
      ]);
    case "locked":
      return lockError(token, [
        "PICO_FIDO_LOCKED",
        "refused",
        "{token} is locked, as after every plug-in; the PIN was not judged",
        `\`hsmadm fido secure unlock\`, then again; on another computer ${otherKey}`,
      ]);
    case "unplug-first":
      return unplugFirst(token);
    case "key-lost":
      return lockError(token, [
        "PICO_FIDO_KEY_LOST",
        "check-failed",
        "the device key of {token} is zero: it was lost before, and its credentials with it",
        "`hsmadm fido backup load FILE` brings back a backup; without one only a reset makes it usable again",
      ]);
  }
}

export function unplugFirst(token: PicoFidoToken): HsmError {
  return lockError(token, [
    "PICO_FIDO_UNPLUG_FIRST",
    "refused",
    "{token} has no key in memory: its lock was disabled, or it was reset, and it was not unplugged since",
    "unplug the token and put it back before anything else: credentials made now would be lost",
  ]);
}

/** None of the keys here is the token's. */
export function otherComputer(token: PicoFidoToken): HsmError {
  return lockError(token, [
    "PICO_FIDO_OTHER_KEY",
    "refused",
    "{token} is enabled with a host key that is not on this computer",
    otherKey,
  ]);
}

/** Without one the token lets nobody enable, disable or save. */
export function checkPinIsSet(token: PicoFidoToken): void {
  if (token.authenticator.info.options["clientPin"] === true) return;
  throw lockError(token, [
    "FIDO_PIN_NOT_SET",
    "refused",
    "{token} has no PIN yet, and wants one for this",
    "`hsmadm fido pin set` sets one",
  ]);
}

/** @throws HsmError `PICO_FIDO_LOCK_BROKEN` (not-supported) on versions whose lock destroys what it locks */
export function checkLockExists(token: PicoFidoToken): void {
  const { lock, version } = token.firmware;
  if (lock !== "destroys") return;
  throw lockError(token, [
    "PICO_FIDO_LOCK_BROKEN",
    "not-supported",
    `{token} has firmware ${version}, whose lock destroys the device key for good; there is no backup on it, and nothing was sent`,
    `do not enable the lock with any program; ${secondToken}`,
  ]);
}

/** @throws HsmError `PICO_FIDO_KEY_CHANGES` (refused) where the explicit word is missing */
export function checkKeyChange(token: PicoFidoToken, verb: "enable" | "disable" | "load", accepted: boolean): void {
  const { lock, version } = token.firmware;
  if (accepted || (lock !== "changes" && lock !== "may-change")) return;
  const some = lock === "may-change" ? "on chips with OTP " : "";
  const loss = {
    enable:
      "the credentials it has now stop while the lock is enabled, and those made meanwhile die when it is disabled",
    disable: "the credentials made while it was enabled die; those from before come back",
    load: "the backup serves only credentials that were made while the lock was enabled, and dies when it is disabled",
  }[verb];
  throw lockError(token, [
    "PICO_FIDO_KEY_CHANGES",
    "refused",
    `{token} has firmware ${version}, on which the lock ${some}changes the key in effect: ${loss}`,
    `leave it, or give --accept-key-change; ${secondToken}`,
  ]);
}

/** @throws HsmError `PICO_FIDO_UNPROVEN` (not-supported) on versions that nobody has seen do it */
export function checkProven(token: PicoFidoToken): void {
  const { lock, version } = token.firmware;
  if (lock !== "unproven") return;
  throw lockError(token, [
    "PICO_FIDO_UNPROVEN",
    "not-supported",
    `{token} has firmware ${version}, on which nobody has seen the lock work; nothing was sent`,
    secondToken,
  ]);
}
