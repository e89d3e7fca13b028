import { TransportError } from "../../../apdu/transport-error.ts";
import { ctapStatus, ctapStatusOf } from "../ctap-status.ts";
import type { Waiting } from "../fido2-session.ts";

/** A wrong vendorPrototype number makes the token ask for patience for ever; nothing it does here takes long. */
export const vendorDeadlineMs = 10_000;

const waitingForTouch = 2;

/**
 * Runs one vendor or config command, on which the token may work for so long from the first time it asks for patience: a
 * PIN may be typed before. A wait for a touch does not count, it has a limit of its own.
 * @throws TransportError `TIMEOUT` that says to unplug the token
 */
export async function withinDeadline<T>(
  token: string,
  command: string,
  ms: number,
  run: (waiting: Waiting) => Promise<T>,
): Promise<T> {
  const stop = new AbortController();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const onKeepAlive = (status: number) => {
    if (status !== waitingForTouch) timer ??= setTimeout(() => stop.abort(), ms);
    else {
      clearTimeout(timer);
      timer = undefined;
    }
  };
  try {
    return await run({ signal: stop.signal, onKeepAlive });
  } catch (error) {
    const cancelled = ctapStatusOf(error) === ctapStatus.keepaliveCancel;
    const late = error instanceof TransportError && error.code === "TIMEOUT";
    if (stop.signal.aborted && (cancelled || late)) throw hangs(token, command, ms, error);
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

function hangs(token: string, command: string, ms: number, cause: unknown): TransportError {
  const limit = ms < 1000 ? `${ms} ms` : `${ms / 1000} s`;
  return new TransportError("TIMEOUT", `${token} did not finish ${command} within ${limit} and goes on working`, {
    advice: "unplug the token and put it back, then look with `hsmadm fido secure status`",
    token,
    cause,
  });
}
