import { HsmError } from "../../../errors.ts";

/**
 * What a vault's payload says, opened. Secret as a whole; `wipeDocument` when it is no longer needed.
 * docs/vault-format.md, "payload".
 */
export interface VaultDocument {
  /** Commitment to the seed, computed anew when a document is read. */
  readonly id: string;
  /** 1 for a new vault, one more with every write. */
  readonly generation: number;
  /** SHA-256 of the file that this one replaced; `null` in generation 1. */
  readonly previous: Uint8Array | null;
  /** ISO 8601 in UTC, whole seconds, as all dates here. */
  readonly created: string;
  readonly updated: string;
  /** 32 bytes. */
  readonly seed: Uint8Array;
  readonly secrets: ReadonlyMap<string, VaultSecret>;
  /** Seeds that a rekey replaced, oldest first, kept until everything that used them has moved on. */
  readonly retired: readonly RetiredSeed[];
}

/** `text` is UTF-8. */
export type SecretType = "raw" | "text";

export interface VaultSecret {
  readonly type: SecretType;
  readonly value: Uint8Array;
  /** Counts the values this name has had, from 1. */
  readonly revision: number;
  readonly created: string;
  readonly updated: string;
  readonly note?: string;
}

export interface RetiredSeed {
  readonly id: string;
  readonly seed: Uint8Array;
  /** When it was retired. */
  readonly retired: string;
}

export const documentLimits = {
  /** Bytes of the payload, padding included. */
  payload: 4 * 1024 * 1024,
  /** The payload is filled up with spaces to a multiple of this, so that its length tells little. */
  padding: 1024,
  secrets: 4096,
  retired: 64,
  /** Code points. */
  note: 256,
} as const;

const namePattern = /^[a-z0-9][a-z0-9._/-]{0,127}$/;
const datePattern = /^\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{3})?Z$/;

/** @throws HsmError `VAULT_NAME_INVALID` (usage) */
export function checkSecretName(name: string): void {
  if (isSecretName(name)) return;
  throw new HsmError("VAULT_NAME_INVALID", "usage", "a name of a secret that no vault can hold", {
    advice: "1 to 128 of a-z, 0-9 and . _ / - beginning with a letter or a digit, for example borg/laptop",
  });
}

export function isSecretName(name: string): boolean {
  return namePattern.test(name);
}

export function isVaultDate(text: string): boolean {
  return datePattern.test(text) && !Number.isNaN(Date.parse(text));
}

/** A moment as the vault writes it: whole seconds. */
export function vaultDate(moment: Date): string {
  return moment.toISOString().replace(/\.\d+Z$/, "Z");
}

/** Printable, on one line, not too long. */
export function isNote(text: string): boolean {
  return !/[\p{Cc}\p{Cs}\u2028\u2029]/u.test(text) && [...text].length <= documentLimits.note;
}

/** Overwrites the seed, the retired ones and every value. */
export function wipeDocument(document: VaultDocument): void {
  document.seed.fill(0);
  for (const { seed } of document.retired) seed.fill(0);
  for (const { value } of document.secrets.values()) value.fill(0);
}

/** The file was opened with the right key, and yet its inside is not what this program writes. */
export function documentInvalid(problem: string): HsmError {
  return new HsmError("VAULT_DOCUMENT_INVALID", "check-failed", `the vault's payload is none: ${problem}`, {
    advice: "it opens with the right key, so another program or another version wrote it; `age -d` shows it",
  });
}
