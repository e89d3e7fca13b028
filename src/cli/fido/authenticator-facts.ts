import { toHex } from "../../bytes/hex.ts";
import type { AuthenticatorInfo } from "../../cards/fido2/authenticator-info.ts";
import type { Document } from "../output.ts";
import type { OpenAuthenticator } from "./authenticator-session.ts";

/** `authenticator` of every JSON document about one. */
export function authenticatorFacts({ device, product, simulated, authenticator }: OpenAuthenticator): Document {
  const { where, info } = authenticator;
  return { device, where, product, aaguid: aaguidText(info.aaguid), simulated };
}

/** As lists of models write it: `ee882879-721c-4913-9775-3dfcce97072a`. */
export function aaguidText(aaguid: Uint8Array): string {
  return toHex(aaguid)
    .toLowerCase()
    .replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

/**
 * `paused`: three wrong ones in a row, it wants to be taken out and put back. `blocked`: for good, until a reset.
 * `unknown`: set, its counter not asked for.
 */
export type FidoPinState = "unsupported" | "unset" | "ready" | "paused" | "blocked" | "unknown";

export interface FidoPinFacts extends Document {
  readonly state: FidoPinState;
  readonly triesLeft: number | null;
}

/** What getInfo tells of the PIN; whether it is blocked it does not tell. */
export function pinOfInfo({ options }: AuthenticatorInfo): FidoPinFacts {
  const { clientPin } = options;
  if (clientPin === undefined) return { state: "unsupported", triesLeft: null };
  return { state: clientPin ? "unknown" : "unset", triesLeft: null };
}

/** Asks for the counter, which costs no try. */
export async function pinFacts({ authenticator }: OpenAuthenticator): Promise<FidoPinFacts> {
  const told = pinOfInfo(authenticator.info);
  if (told.state !== "unknown") return told;
  const { retries, powerCycle } = await authenticator.pinRetries();
  return { state: retries === 0 ? "blocked" : powerCycle ? "paused" : "ready", triesLeft: retries };
}

/** The authenticator's own way to verify its user: a finger. */
export async function uvFacts({ authenticator }: OpenAuthenticator): Promise<FidoPinFacts> {
  const { uv } = authenticator.info.options;
  if (uv === undefined) return { state: "unsupported", triesLeft: null };
  if (!uv) return { state: "unset", triesLeft: null };
  const triesLeft = await authenticator.uvRetries();
  return { state: triesLeft === 0 ? "blocked" : "ready", triesLeft };
}

export function fidoPinWords({ state, triesLeft }: FidoPinFacts): string {
  const left = triesLeft === null ? "" : `${triesLeft} ${triesLeft === 1 ? "try" : "tries"} left`;
  switch (state) {
    case "unsupported":
      return "not supported";
    case "unset":
      return "not set";
    case "unknown":
      return "set";
    case "ready":
      return left;
    case "paused":
      return `${left}, but it takes none before it was taken out and put back`;
    case "blocked":
      return "BLOCKED, no tries left";
  }
}

/** What a wrong PIN would cost, for the line of a prompt. */
export function fidoStake(retries: number): string {
  return `${retries} ${retries === 1 ? "try" : "tries"} left, a wrong one costs one`;
}
