import { X509Certificate } from "node:crypto";
import { equal } from "../../bytes/bytes.ts";
import { toHex } from "../../bytes/hex.ts";
import { HsmError, messageOf } from "../../errors.ts";
import { curveByName } from "../curves/curves.ts";
import { bitLength, stripped } from "../curves/integers.ts";
import { parseAuthenticatedRequest, parseCvc } from "../cvc/cvc.ts";
import { checkKeyBlob, keyKindOf, openKeyBlob, parseKeyBlob } from "../keys/key-blob.ts";
import { describeKey, type PlainKey, publicBelongsToPrivate, wipeKey } from "../keys/plain-key.ts";
import { publicKeyDer } from "../keys/public-key-formats.ts";
import type { DkekKeys } from "../shares/dkek.ts";
import { openEnvelope, readBackupBody } from "./backup-file.ts";
import type { BackupKey, BackupManifest } from "./backup-manifest.ts";

/** What is asked of a backup. The first three of the file, the others of each key. */
export type BackupCheckName =
  /** The SHA-256 of the file. */
  | "digest"
  /** The manifest can be read. */
  | "manifest"
  /** No key of the token stayed behind. */
  | "complete"
  /** The blob names the DKEK that the manifest names, and it is the one of the shares. */
  | "kcv"
  /** The blob is unchanged since the token made it. */
  | "mac"
  /** Kind, size and curve are those of the manifest. */
  | "type"
  /** The public half belongs to the private one. */
  | "halves"
  /** The certificate (or request) beside the key holds its public key. */
  | "certificate";

export interface BackupCheck {
  readonly name: BackupCheckName;
  /** Key reference; `null` for checks of the file. */
  readonly key: number | null;
  readonly label: string | null;
  readonly state: "done" | "failed" | "not-done";
  /** Why it failed, or was not done. */
  readonly reason: string | null;
}

export interface BackupVerdict {
  readonly outcome: "verified" | "failed" | "incomplete";
  readonly checks: readonly BackupCheck[];
  readonly manifest: BackupManifest | null;
}

/**
 * Proves a backup without a token: digest first, then every key. Nothing is thrown for a bad backup: each check is
 * listed with its outcome, and the outcome of the whole is that of its worst.
 * @param dkeks of the shares at hand; none leaves every MAC unchecked, which is `incomplete` and not `verified`
 * @throws HsmError `BACKUP_VERSION` (not-supported) for a file of a newer version
 */
export function verifyBackup(bytes: Uint8Array, dkeks: readonly DkekKeys[]): BackupVerdict {
  const checks: BackupCheck[] = [];
  const ofFile = (name: BackupCheckName, state: BackupCheck["state"], reason: string | null = null): void => {
    checks.push({ name, key: null, label: null, state, reason });
  };
  let manifest: BackupManifest | null = null;
  try {
    const { body, intact } = openEnvelope(bytes);
    if (!intact) {
      ofFile("digest", "failed", "the file is damaged: its SHA-256 does not fit");
      ofFile("manifest", "not-done", "the file is damaged");
      return verdict(checks, null);
    }
    ofFile("digest", "done");
    manifest = readBackupBody(body);
  } catch (error) {
    if (!(error instanceof HsmError) || error.kind !== "check-failed") throw error;
    ofFile(checks.length === 0 ? "digest" : "manifest", "failed", error.message);
    return verdict(checks, null);
  }
  ofFile("manifest", "done");
  const gaps = manifest.notExported.map((gap) => `key ${gap.reference}: ${gap.reason}`);
  ofFile("complete", gaps.length === 0 ? "done" : "not-done", gaps.length === 0 ? null : gaps.join("; "));
  const fits = manifest.keys.some((key) => dkeks.some((dkek) => equal(dkek.kcv, key.kcv)));
  for (const key of manifest.keys) checks.push(...verifyKey(key, dkeks, fits));
  return verdict(checks, manifest);
}

function verdict(checks: readonly BackupCheck[], manifest: BackupManifest | null): BackupVerdict {
  const worst = (state: BackupCheck["state"]): boolean => checks.some((check) => check.state === state);
  return { outcome: worst("failed") ? "failed" : worst("not-done") ? "incomplete" : "verified", checks, manifest };
}

/** @param someFit whether any key of the backup is under one of the DKEKs: if none is, the shares are the wrong ones */
function verifyKey(entry: BackupKey, dkeks: readonly DkekKeys[], someFit: boolean): BackupCheck[] {
  const asked: BackupCheckName[] = ["kcv", "mac", "type"];
  if (entry.kind !== "aes") asked.push("halves");
  if (entry.certificate !== null) asked.push("certificate");
  const results = new Map<BackupCheckName, string | null>();
  let open: { name: BackupCheckName; reason: string } | null = null;
  try {
    const dkek = dkeks.find((candidate) => equal(candidate.kcv, entry.kcv));
    results.set("kcv", null);
    const blob = parseKeyBlob(entry.blob);
    if (!equal(blob.kcv, entry.kcv)) throw new Wrong("kcv", `the key is wrapped under DKEK ${toHex(blob.kcv)}`);
    if (dkek === undefined) {
      results.delete("kcv");
      const needed = `it is wrapped under the DKEK with KCV ${toHex(entry.kcv)}`;
      if (dkeks.length > 0 && !someFit) throw new Wrong("kcv", `${needed}, the shares give ${kcvs(dkeks)}`);
      open = { name: "kcv", reason: `${needed}, whose shares were not given` };
    } else {
      checkAs("mac", () => checkKeyBlob(blob, dkek));
      results.set("mac", null);
      if (keyKindOf(blob) !== entry.kind) throw new Wrong("type", `the wrapped key is ${keyKindOf(blob)}`);
      const key = checkAs("type", () => openKeyBlob(blob, dkek));
      try {
        for (const [name, problem] of questions(entry, key)) results.set(name, problem);
      } finally {
        wipeKey(key);
      }
    }
  } catch (error) {
    const at = error instanceof Wrong ? error.check : "kcv";
    if (!(error instanceof Wrong) && !(error instanceof HsmError)) throw error;
    results.set(at, error.message);
    open = { name: at, reason: `the check before it failed (${at})` };
  }
  const { reference, label } = entry;
  return asked.map((name): BackupCheck => {
    const problem = results.get(name);
    if (problem === undefined) {
      return { name, key: reference, label, state: "not-done", reason: open?.reason ?? "it was not reached" };
    }
    return { name, key: reference, label, state: problem === null ? "done" : "failed", reason: problem };
  });
}

/** A check that failed, on its way to the list. */
class Wrong extends Error {
  readonly check: BackupCheckName;
  constructor(check: BackupCheckName, message: string) {
    super(message);
    this.check = check;
  }
}

function checkAs<Result>(check: BackupCheckName, action: () => Result): Result {
  try {
    return action();
  } catch (error) {
    if (error instanceof HsmError) throw new Wrong(check, error.message);
    throw error;
  }
}

/** What can be asked once the key is open; `null`: it is as it should be. */
function* questions(entry: BackupKey, key: PlainKey): Generator<[BackupCheckName, string | null]> {
  const own = describeKey(key);
  yield ["type", sizeFits(entry, key) ? null : `the manifest says ${sizeOf(entry)}, the wrapped key is ${own}`];
  if (key.kind === "aes") return;
  yield ["halves", publicBelongsToPrivate(key) === true ? null : "its public half does not belong to its private one"];
  if (entry.certificate === null) return;
  try {
    const same = holdsPublicKey(entry.certificate, key);
    yield ["certificate", same ? null : "the certificate beside it holds another public key"];
  } catch (error) {
    yield ["certificate", `the certificate beside it cannot be read: ${messageOf(error)}`];
  }
}

/** Without a certificate nothing on the token tells the curve of a key, only its size. */
function sizeFits(entry: BackupKey, key: PlainKey): boolean {
  if (key.kind !== "ec" || entry.curve !== null) return describeKey(key) === sizeOf(entry);
  const curve = curveByName(key.curve);
  return curve !== undefined && bitLength(curve.p) === entry.bits;
}

/** As `describeKey` has it. */
function sizeOf({ kind, bits, curve }: BackupKey): string {
  if (kind === "ec") return `EC ${curve ?? `${bits} bits`}`;
  return `${kind.toUpperCase()}-${bits}`;
}

function holdsPublicKey(certificate: Uint8Array, key: PlainKey & { readonly kind: "rsa" | "ec" }): boolean {
  if (certificate[0] === 0x30) {
    const spki = new X509Certificate(certificate).publicKey.export({ format: "der", type: "spki" });
    return equal(publicKeyDer(key), new Uint8Array(spki));
  }
  const { publicKey } =
    certificate[0] === 0x67 ? parseAuthenticatedRequest(certificate).request : parseCvc(certificate);
  if (publicKey.kind === "ec" && key.kind === "ec") {
    return publicKey.curve === key.curve && equal(publicKey.point, key.point);
  }
  if (publicKey.kind !== "rsa" || key.kind !== "rsa") return false;
  return (
    equal(stripped(publicKey.modulus), stripped(key.modulus)) &&
    equal(stripped(publicKey.exponent), stripped(key.exponent))
  );
}

function kcvs(dkeks: readonly DkekKeys[]): string {
  return dkeks.map((dkek) => toHex(dkek.kcv)).join(", ");
}
