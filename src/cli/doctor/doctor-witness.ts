import { isTransportFault } from "../../apdu/transport-error.ts";
import { HsmError, messageOf } from "../../errors.ts";
import type { DoctorWitness } from "../../services/doctor/doctor.ts";
import { type CardUser, holders } from "../../services/doctor/doctor-findings.ts";

const cardOnly =
  "the service itself let this user in: what polkit refuses is the action org.debian.pcsc-lite.access_card";

/** What stands behind an error that ended the ladder: layer, count, first and last cause, and who may be holding the card. */
export function witnessWith(users: () => readonly CardUser[]): DoctorWitness {
  return (error) => {
    // Ctrl-C is no finding.
    if (error instanceof HsmError && error.kind === "interrupted") throw error;
    if (!isTransportFault(error)) return { facts: {} };
    const { code, layer, attempts, firstCause, cause, details } = error;
    const first = firstCause === undefined ? null : messageOf(firstCause);
    const last = cause === undefined ? null : messageOf(cause);
    const causes = first === last ? { cause: last ?? "none told" } : { "first cause": first, "last cause": last };
    const notes = code === "SHARING_VIOLATION" || code === "CARD_RESET" ? holders(users()) : [];
    if (code === "ACCESS_REFUSED" && details?.["call"] === "SCardConnect") notes.push(cardOnly);
    return { facts: { layer: layer ?? "unknown", attempts, ...causes }, notes };
  };
}
