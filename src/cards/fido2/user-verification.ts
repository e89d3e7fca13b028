import { HsmError } from "../../errors.ts";
import { getTokenUsingUv, type TokenPermissions } from "./client-pin.ts";
import type { PinUvAuth, RequestOptions } from "./credential-commands.ts";
import { ctapStatus, ctapStatusOf } from "./ctap-status.ts";
import type { Fido2Session, Waiting } from "./fido2-session.ts";
import { pinNeeded } from "./pin-errors.ts";
import type { FidoPin, PinGate } from "./pin-gate.ts";
import type { SharedSecret } from "./shared-secret.ts";

/** What stands behind one request. */
export interface Verified {
  /** For encryption in the same request. */
  readonly secret: SharedSecret;
  /** Proves the PIN or the finger for these bytes; `undefined` when nothing is proved, or by `options`. */
  readonly prove: (message: Uint8Array) => PinUvAuth | undefined;
  /** `uv: true` for tokens with a finger and without tokens for it. Never together with a proof: some refuse both. */
  readonly options: RequestOptions | undefined;
}

/** The user is not verified: the secret that goes without the PIN. */
export async function unverified<Result>(
  session: Fido2Session,
  use: (verified: Verified) => Promise<Result>,
): Promise<Result> {
  const secret = await session.agree();
  try {
    return await use({ secret, prove: () => undefined, options: undefined });
  } finally {
    secret.wipe();
  }
}

/**
 * Verifies the user by PIN, or by the token's own means where no PIN is given, and does what needs it. One key agreement
 * serves the PIN and the request (as libfido2 has it), one pinUvAuthToken serves one request: after a touch it is used
 * up. When the token does not accept it though it gave it (33, 38), a new one is fetched once, with the PIN it accepted.
 */
export async function verified<Result>(
  session: Fido2Session,
  gate: PinGate,
  request: TokenPermissions & Waiting & { readonly pin?: FidoPin | undefined },
  use: (verified: Verified) => Promise<Result>,
): Promise<Result> {
  const how = meansOf(session, gate, request.pin);
  if (how === "uv-option") {
    return unverified(session, (nothing) => use({ ...nothing, options: { uv: true } }));
  }
  for (let attempt = 1; ; attempt++) {
    const { token, secret } = how === "pin" ? await gate.token(request, request.pin) : await byFinger(session, request);
    try {
      return await use({ secret, prove: proofBy(secret, token), options: undefined });
    } catch (error) {
      if (attempt === 2 || !isStale(error)) throw error;
    } finally {
      token.fill(0);
      secret.wipe();
    }
  }
}

async function byFinger(
  session: Fido2Session,
  request: TokenPermissions & Waiting,
): Promise<{ readonly token: Uint8Array; readonly secret: SharedSecret }> {
  const secret = await session.agree();
  try {
    return { token: await session.call(getTokenUsingUv(secret, request), request), secret };
  } catch (error) {
    secret.wipe();
    throw error;
  }
}

function proofBy({ protocol }: SharedSecret, token: Uint8Array): Verified["prove"] {
  return (message) => ({ param: protocol.authenticate(token, message), protocol: protocol.version });
}

function isStale(error: unknown): boolean {
  const status = ctapStatusOf(error);
  return status === ctapStatus.pinAuthInvalid || status === ctapStatus.pinTokenExpired;
}

/** @throws HsmError when the token can verify nobody, or only by a PIN that was not given */
function meansOf(session: Fido2Session, gate: PinGate, pin: FidoPin | undefined): "pin" | "uv-token" | "uv-option" {
  const byPin = session.option("clientPin") === true && session.option("noMcGaPermissionsWithClientPin") !== true;
  if (byPin && (pin !== undefined || gate.open)) return "pin";
  if (session.option("uv") === true) return session.option("pinUvAuthToken") === true ? "uv-token" : "uv-option";
  if (byPin) throw pinNeeded(session.token);
  throw new HsmError(
    "FIDO_PIN_NOT_SET",
    "refused",
    `${session.token} has neither a PIN nor a finger to verify its user by`,
    {
      token: session.token,
      advice: "`hsmadm fido pin set` sets a PIN",
    },
  );
}
