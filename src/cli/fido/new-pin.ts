import type { AuthenticatorInfo } from "../../cards/fido2/authenticator-info.ts";
import { ctapError, ctapStatus } from "../../cards/fido2/ctap-status.ts";
import { HsmError } from "../../errors.ts";
import type { OpenAuthenticator } from "./authenticator-session.ts";

/** What the prompt for a new PIN says. */
export function newPinStake({ minPinLength }: AuthenticatorInfo): string {
  return `${Math.max(4, minPinLength)} to 63 characters; forgotten, only a reset helps, which destroys every credential`;
}

/** `fido pin set` where there is nothing left to set. */
export function pinExists({ authenticator }: OpenAuthenticator): HsmError {
  return new HsmError("FIDO_PIN_EXISTS", "conflict", `${authenticator.where} has a PIN already`, {
    token: authenticator.where,
    advice: "`hsmadm fido pin change` replaces it",
  });
}

/** `fido pin change` where there is nothing to change. */
export function pinMissing({ authenticator }: OpenAuthenticator): HsmError {
  return ctapError(ctapStatus.pinNotSet, "clientPIN changePIN", { token: authenticator.where });
}
