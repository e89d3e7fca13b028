import { isTransportFault } from "../apdu/transport-error.ts";
import { HsmError, messageOf } from "../errors.ts";
import type { DoctorWitness } from "../services/doctor.ts";
import { type CardUser, holders } from "../services/doctor-findings.ts";

/** What stands behind an error that ended the ladder: layer, count, first and last cause, and who may be holding the card. */
export function witnessWith(users: () => readonly CardUser[]): DoctorWitness {
  return (error) => {
    // Ctrl-C is no finding.
    if (error instanceof HsmError && error.kind === "interrupted") throw error;
    if (!isTransportFault(error)) return { facts: {} };
    const { layer, attempts, firstCause, cause } = error;
    const first = firstCause === undefined ? null : messageOf(firstCause);
    const last = cause === undefined ? null : messageOf(cause);
    return {
      facts: {
        layer: layer ?? "unknown",
        attempts,
        ...(first === null ? {} : { "first cause": first }),
        ...(last === null ? {} : { "last cause": last }),
      },
      notes: error.code === "SHARING_VIOLATION" || error.code === "CARD_RESET" ? holders(users()) : [],
    };
  };
}
