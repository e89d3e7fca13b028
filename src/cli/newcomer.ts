import { isTransportFault, TransportError } from "../apdu/transport-error.ts";

/** For who has no reader yet, or none that works. */
export const tryWithout = "without a card: `--device sim:demo` gives a simulated token to try everything with";

/** An error that says that this machine has no way to any reader tells of the one that needs none. */
export function tellOfSimulation(error: unknown): unknown {
  if (!isTransportFault(error, "SERVICE_NOT_RUNNING", "BINDING_NOT_LOADABLE", "ACCESS_REFUSED")) return error;
  const { advice, token, details, layer, attempts, firstCause, cause } = error;
  return new TransportError(error.code, error.message, {
    advice: advice === undefined ? tryWithout : `${advice}\n${tryWithout}`,
    token,
    details,
    layer,
    attempts,
    firstCause,
    cause,
  });
}
