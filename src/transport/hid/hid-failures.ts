import { TransportError } from "../../apdu/transport-error.ts";
import { messageOf } from "../../errors.ts";

const layer = "hid";

/** Nothing more was heard. */
export function silent(where: string, ms: number): TransportError {
  return new TransportError("TIMEOUT", `${where} has been silent for ${seconds(ms)}`, {
    advice: "take the authenticator out, put it back and try again",
    layer,
  });
}

/** It asked for patience to the end. @param touch whether it was waiting for one */
export function patienceOver(where: string, ms: number, touch: boolean): TransportError {
  const what = touch ? "was not touched" : "did not finish";
  return new TransportError("TIMEOUT", `${where} ${what} within ${seconds(ms)}, the command was cancelled`, {
    advice: touch ? "touch the authenticator when it blinks; `--timeout` waits longer" : "`--timeout` waits longer",
    layer,
  });
}

/** Its packets make no sense. */
export function brokenAnswer(where: string, what: string): TransportError {
  return new TransportError("EXCHANGE_FAILED", `${where}: ${what}`, {
    advice: "try again; if it stays so, take the authenticator out and put it back",
    layer,
  });
}

/** Another program has been talking to it all the time. */
export function inUse(where: string, attempts: number): TransportError {
  return new TransportError("SHARING_VIOLATION", `another program keeps ${where} busy`, {
    advice: "wait until it has finished, or end it: a browser that waits for a touch, an SSH agent",
    layer,
    attempts,
  });
}

/** What a port threw, as a TransportError. */
export function portFailure(where: string, error: unknown): TransportError {
  if (error instanceof TransportError) return error;
  return new TransportError("EXCHANGE_FAILED", `the connection to ${where} broke: ${messageOf(error)}`, {
    advice: "put the authenticator back and try again",
    layer,
    cause: error,
  });
}

function seconds(ms: number): string {
  return ms < 1000 ? `${Math.round(ms)} ms` : `${Math.round(ms / 100) / 10} s`;
}
