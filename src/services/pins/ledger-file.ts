import { HsmError } from "../../errors.ts";

export type LedgerPin = "user-pin" | "so-pin";

/** The last refusal of one PIN of one token. */
export interface LedgerEntry {
  /** `TokenIdentity.key`: SHA-256 of the token's device public key, in hex. */
  readonly token: string;
  readonly which: LedgerPin;
  /** 16 bytes in hex, the token's own. */
  readonly salt: string;
  /** scrypt (N 32768, r 8, p 1, 32 bytes) of the refused PIN under the salt, in hex. */
  readonly digest: string;
  /** The token's counter after the refusal. */
  readonly triesLeft: number;
}

/** docs/ledger.md */
export interface Ledger {
  readonly schemaVersion: 1;
  readonly entries: readonly LedgerEntry[];
}

const maxEntries = 10_000;

/** @throws HsmError `LEDGER_INVALID` (check-failed) with the reason as its message */
export function parseLedger(text: string): Ledger {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw invalid("it is not JSON");
  }
  if (!isRecord(value)) throw invalid("it is no ledger");
  const { schemaVersion, entries } = value;
  if (typeof schemaVersion === "number" && schemaVersion > 1) throw invalid("it was written by a newer hsmadm");
  if (schemaVersion !== 1 || !Array.isArray(entries) || entries.length > maxEntries) throw invalid("it is no ledger");
  return { schemaVersion, entries: entries.map(entryOf) };
}

function entryOf(value: unknown, index: number): LedgerEntry {
  if (isRecord(value)) {
    const { token, which, salt, digest, triesLeft } = value;
    if (
      isHex(token, 1) &&
      (which === "user-pin" || which === "so-pin") &&
      isHex(salt, 16) &&
      isHex(digest, 32) &&
      digest.length === 64 &&
      typeof triesLeft === "number" &&
      Number.isInteger(triesLeft)
    ) {
      return { token, which, salt, digest, triesLeft };
    }
  }
  throw invalid(`entry ${index + 1} makes no sense`);
}

/** Any field of any object that JSON can hold. */
type Fields = Partial<Record<"schemaVersion" | "entries" | keyof LedgerEntry, unknown>>;

function isRecord(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isHex(value: unknown, minBytes: number): value is string {
  return typeof value === "string" && value.length >= 2 * minBytes && /^(?:[0-9A-Fa-f]{2})+$/.test(value);
}

function invalid(problem: string): HsmError {
  return new HsmError("LEDGER_INVALID", "check-failed", problem);
}
