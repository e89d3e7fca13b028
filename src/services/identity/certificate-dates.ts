import type { Cvc } from "../../crypto/cvc/cvc.ts";

/** A certificate of a chain that is not valid on the day it is looked at. */
export interface DateProblem {
  readonly state: "expired" | "not-yet-valid";
  readonly chr: string;
  /** `YYYY-MM-DD`: its last day, or its first. */
  readonly date: string;
}

/** The first certificate whose dates do not hold; days count in UTC, first and last included. */
export function dateProblem(certificates: readonly Cvc[], now: Date): DateProblem | null {
  const today = now.toISOString().slice(0, 10);
  for (const { chr, effective, expiry } of certificates) {
    if (expiry !== undefined && today > expiry) return { state: "expired", chr, date: expiry };
    if (effective !== undefined && today < effective) return { state: "not-yet-valid", chr, date: effective };
  }
  return null;
}

export function dateWords({ state, chr, date }: DateProblem): string {
  return state === "expired" ? `"${chr}" was valid until ${date}` : `"${chr}" is not valid before ${date}`;
}
