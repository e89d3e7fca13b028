import { toHex } from "../../bytes/hex.ts";
import type { BackupKey, BackupManifest } from "../../crypto/backup/backup-manifest.ts";
import type { BackupCheck, BackupVerdict } from "../../crypto/backup/backup-verify.ts";
import type { PlannedKey, RestoreAction, RestorePlan } from "../../services/backup/backup-plan.ts";
import type { RestoredKey } from "../../services/backup/backup-restore.ts";
import type { Document } from "../output.ts";
import { simulatedMark, table } from "../wording.ts";

/** A key of a backup as JSON documents tell it: never the blob. */
export function keyFacts(key: BackupKey): Document {
  const { reference, label, id, kind, bits, curve, domain, kcv, certificate, useCounter } = key;
  return {
    reference,
    label,
    id,
    kind,
    bits,
    curve,
    domain,
    kcv: toHex(kcv),
    certificate: besideKind(certificate),
    useCounter,
  };
}

/** By its first byte; that it is one, `backup verify` looks. */
function besideKind(certificate: Uint8Array | null): "x509" | "request" | "cvc" | null {
  if (certificate === null) return null;
  return certificate[0] === 0x30 ? "x509" : certificate[0] === 0x67 ? "request" : "cvc";
}

const besideWords = { x509: "certificate", request: "request", cvc: "certificate", none: "" } as const;

export function manifestFacts(manifest: BackupManifest): Document {
  const { created, createdBy, device, keys, notExported, files } = manifest;
  return { created, createdBy, device, keys: keys.map(keyFacts), notExported, files: files.map(({ fid }) => fid) };
}

/** `RSA-2048`, `EC secp256r1`, `AES-256`. */
export function typeWords({ kind, bits, curve }: Pick<BackupKey, "kind" | "bits" | "curve">): string {
  return kind === "ec" && curve !== null ? `EC ${curve}` : `${kind.toUpperCase()}-${bits}`;
}

/** `demo, UTSIM0A1B2C, SIMULATED`: where a backup comes from. */
export function originWords({ label, serial, simulated }: BackupManifest["device"]): string {
  const parts = [label ?? "", serial, simulated ? simulatedMark : ""].filter((part) => part !== "");
  return parts.length === 0 ? "a token without a name" : parts.join(", ");
}

export function manifestLines(manifest: BackupManifest, columns: number | undefined): string[] {
  const rows = manifest.keys.map((key) => [
    String(key.reference),
    key.label ?? "",
    key.id ?? "",
    typeWords(key),
    toHex(key.kcv),
    [besideWords[besideKind(key.certificate) ?? "none"], key.useCounter === null ? "" : `${key.useCounter} uses left`]
      .filter((part) => part !== "")
      .join(", "),
  ]);
  const heading = ["KEY", "LABEL", "ID", "TYPE", "KCV", "WITH"];
  return [
    ...(rows.length === 0 ? ["no keys"] : table([heading, ...rows], columns)),
    ...manifest.files.map(({ fid }) => `file ${fid}`),
    ...gapLines(manifest),
  ];
}

export function gapLines({ notExported }: Pick<BackupManifest, "notExported">): string[] {
  return notExported.map(({ reference, label, reason }) => {
    return `NOT in it: key ${reference}${label === null ? "" : ` "${label}"`}: ${reason}`;
  });
}

export function checkFacts({ name, key, label, state, reason }: BackupCheck): Document {
  return { name, key, label, state, reason };
}

const stateWords = { done: "done", failed: "FAILED", "not-done": "not done" } as const;

/** Each check with its outcome; a row for each key that has none but good news. */
export function verdictLines({ checks, outcome }: BackupVerdict, columns: number | undefined): string[] {
  const rows: string[][] = checks
    .filter(({ key }) => key === null)
    .map(({ name, state, reason }) => ["file", name, stateWords[state], reason ?? ""]);
  for (const ref of new Set(checks.flatMap(({ key }) => key ?? []))) {
    const own = checks.filter(({ key }) => key === ref);
    const label = own[0]?.label ?? null;
    const who = label === null ? `key ${ref}` : `key ${ref} "${label}"`;
    for (const [state, words] of Object.entries(stateWords)) {
      const those = own.filter((check) => check.state === state);
      const reasons = new Set(those.flatMap(({ reason }) => reason ?? []));
      if (those.length > 0) rows.push([who, those.map(({ name }) => name).join(", "), words, [...reasons].join("; ")]);
    }
  }
  const count = (state: BackupCheck["state"]): number => checks.filter((check) => check.state === state).length;
  const figures = `${count("done")} checks done, ${count("failed")} failed, ${count("not-done")} not done`;
  const words = { verified: "VERIFIED", failed: "FAILED", incomplete: "NOT ALL CHECKED" }[outcome];
  return [...table(rows, columns), "", `${words}: ${figures}`];
}

const actionWords: Readonly<Record<RestoreAction, string>> = {
  write: "write",
  finish: "finish",
  skip: "skip",
  replace: "REPLACE",
  conflict: "CONFLICT",
};

function planRow({ entry, action, reason }: PlannedKey, words = actionWords[action]): string[] {
  return [String(entry.reference), entry.label ?? "", typeWords(entry), words, reason ?? ""];
}

const planHeading = ["KEY", "LABEL", "TYPE", "WHAT", "WHY"];

export function planLines(plan: RestorePlan, columns: number | undefined): string[] {
  const files = plan.files.map(({ fid, action }) => `file ${hex(fid)}: ${actionWords[action]}`);
  if (plan.keys.length === 0) return ["no keys", ...files];
  return [...table([planHeading, ...plan.keys.map((key) => planRow(key))], columns), ...files];
}

export function outcomeLines(keys: readonly RestoredKey[], columns: number | undefined): string[] {
  if (keys.length === 0) return ["no keys"];
  const rows = keys.map(({ planned, done, reason }) =>
    planRow({ ...planned, reason }, done === "failed" ? "FAILED" : done),
  );
  return table([planHeading, ...rows], columns);
}

export function plannedFacts({ entry, action, reason, inTheWay }: PlannedKey, done: RestoredKey | undefined): Document {
  const { reference, label, id, kind, bits, curve } = entry;
  return {
    reference,
    label,
    id,
    kind,
    bits,
    curve,
    action,
    done: done?.done ?? null,
    reason: done?.reason ?? reason,
    inTheWay: inTheWay.map((key) => ({ reference: key.ref, label: key.label || null })),
  };
}

export function fileFacts(plan: RestorePlan): Document[] {
  return plan.files.map(({ fid, action }) => ({ fid: hex(fid), action }));
}

function hex(fid: number): string {
  return fid.toString(16).toUpperCase().padStart(4, "0");
}
